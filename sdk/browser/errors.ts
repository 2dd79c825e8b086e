import { ClientError } from "nice-grpc-web";
import { decodeErrorDetails } from "../error-details.ts";
import { RouseError } from "../errors.ts";
import { statusName } from "../status.ts";

/** What is known of the call that failed. */
export interface FailedCall {
  readonly deadlineMs: number;
  /** Its time was over. */
  late(): boolean;
  /** The trailer grpc-status-details-bin. */
  details(): Uint8Array | undefined;
}

/** Makes a RouseError of what nice-grpc-web threw. */
export function browserError(thrown: unknown, method: string, call: FailedCall): RouseError {
  if (thrown instanceof RouseError) return thrown;
  if (call.late()) {
    return new RouseError("DEADLINE_EXCEEDED", `${method} was not done within ${call.deadlineMs} ms.`, {
      reason: "DEADLINE_EXCEEDED",
      cause: thrown,
    });
  }
  if (thrown instanceof Error && thrown.name === "AbortError") {
    return new RouseError("CANCELLED", `${method} was cancelled by its signal.`, {
      reason: "CALL_CANCELLED",
      cause: thrown,
    });
  }
  if (!(thrown instanceof ClientError)) return RouseError.from(thrown);
  if (thrown.details.startsWith("Transport error: ")) {
    return new RouseError(
      "UNAVAILABLE",
      `The mesh cannot be reached for ${method} (${thrown.details.slice("Transport error: ".length)}). ` +
        "Check the base URL, and that the edge allows this page's origin.",
      { reason: "EDGE_UNREACHABLE", cause: thrown },
    );
  }
  const bytes = call.details();
  const details = bytes === undefined ? undefined : decodeErrorDetails(bytes);
  return new RouseError(statusName(thrown.code) ?? "UNKNOWN", thrown.details, { ...details, cause: thrown });
}
