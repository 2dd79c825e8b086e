import type { AnyMethodDefinition } from "../definition.ts";
import { RouseError } from "../errors.ts";
import { mebibytes } from "../mebibytes.ts";

/** What gRPC says of a message that it does not take (grpc-js, Go), be it of this side or of the server's. */
const WORDS = /\breceived message larger than max \((\d+) vs\.? (\d+)\)/i;

/**
 * What to do about a message that was too large for whoever had to take it; undefined for other errors.
 *
 * @param maxResponseBytes that this client takes: another limit is the server's, and the message was the request.
 */
export function tooLarge(
  { name }: AnyMethodDefinition,
  error: RouseError,
  maxResponseBytes: number,
): RouseError | undefined {
  const [, bytes, most] = WORDS.exec(error.message) ?? [];
  if (error.status !== "RESOURCE_EXHAUSTED" || bytes === undefined || most === undefined) return undefined;
  const size = `${mebibytes(Number(bytes))}, more than the ${mebibytes(Number(most))}`;
  const advice = "Keep what is large as an artifact, and pass its URI along (docs/artifacts.md)";
  if (Number(most) === maxResponseBytes) {
    return new RouseError(
      "RESOURCE_EXHAUSTED",
      `The response of ${name} has ${size} that this client takes. ${advice}; or let the client take more (maxResponseBytes).`,
      { reason: "RESULT_TOO_LARGE", cause: error },
    );
  }
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `The request of ${name} has ${size} that its service takes. ${advice}; or let serve() take more (maxRequestBytes).`,
    { reason: "REQUEST_TOO_LARGE", cause: error },
  );
}
