import type { AnyMethodDefinition } from "../definition.ts";
import { RouseError } from "../errors.ts";
import { publicError } from "../server/failure.ts";
import { MOST_RESULT_BYTES, refuseLarge, resultTooLarge } from "../server/result-size.ts";
import type { ServerLog } from "../server/types.ts";

/** @throws RouseError INVALID_ARGUMENT REQUEST_MALFORMED */
export function decodeRequest(method: AnyMethodDefinition, bytes: Uint8Array): unknown {
  try {
    return method.decodeRequest(bytes);
  } catch (cause) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The request of ${method.name} cannot be decoded (${(cause as Error).message}). Caller and service disagree on the contract: compare their versions.`,
      { reason: "REQUEST_MALFORMED", cause },
    );
  }
}

/** @throws RouseError RESOURCE_EXHAUSTED RESULT_TOO_LARGE */
export function encodeResponse(method: AnyMethodDefinition, response: unknown): Buffer {
  refuseLarge(method, response);
  const bytes = (method.encodeResponse as (message: unknown) => Uint8Array)(response);
  if (bytes.length > MOST_RESULT_BYTES) throw resultTooLarge(method, bytes.length);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * What the caller of a durable function is told of its failure. What a step threw by accident may hold secrets: the journal has it.
 */
export function functionError(
  thrown: unknown,
  { method, run, log }: { readonly method: string; readonly run: string; readonly log: ServerLog },
): RouseError {
  if (!(thrown instanceof RouseError) || thrown.reason !== "STEP_FAILED")
    return publicError(thrown, method, log);
  log.error({ err: thrown, method, run }, "A step of a durable function failed");
  const { metadata } = thrown;
  return new RouseError(
    "INTERNAL",
    `${method} failed at its step ${JSON.stringify(metadata.step)}. The journal has the cause: rouse runs show ${run}`,
    { reason: "STEP_FAILED", metadata: { ...metadata, run } },
  );
}
