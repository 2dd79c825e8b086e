import { type StatusCode, type StatusName, statusCodes, statusName } from "./status.ts";

export type { StatusCode, StatusName } from "./status.ts";

/** What a {@link RouseError} carries beside its message. */
export interface RouseErrorOptions {
  /** Stable code in upper snake case, listed in docs/errors.md; default: the status name. */
  reason?: string;
  /** Facts for programs, sent as google.rpc.ErrorInfo metadata. */
  metadata?: Record<string, string>;
  cause?: unknown;
}

/**
 * The one error class of Rouse, of services and of their clients.
 *
 * The message says what was wrong, where, and what to do. Over gRPC it travels as status and message, with reason
 * and metadata in a google.rpc.ErrorInfo detail.
 */
export class RouseError extends Error {
  override readonly name = "RouseError";
  readonly status: StatusName;
  readonly reason: string;
  readonly metadata: Record<string, string>;

  constructor(status: StatusName, message: string, options: RouseErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.reason = options.reason ?? status;
    this.metadata = options.metadata ?? {};
  }

  /** The numeric gRPC status. */
  get code(): StatusCode {
    return statusCodes[this.status];
  }

  /** Makes a RouseError of anything that was thrown; a RouseError stays itself, a gRPC error keeps its status. */
  static from(thrown: unknown): RouseError {
    if (thrown instanceof RouseError) return thrown;
    if (thrown instanceof Error) {
      const status =
        "code" in thrown && typeof thrown.code === "number" ? statusName(thrown.code) : undefined;
      const message =
        "details" in thrown && typeof thrown.details === "string" ? thrown.details : thrown.message;
      return new RouseError(status ?? "INTERNAL", message, { cause: thrown });
    }
    return new RouseError("INTERNAL", String(thrown), { cause: thrown });
  }
}
