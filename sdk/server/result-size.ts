import type { AnyMethodDefinition } from "../definition.ts";
import { RouseError } from "../errors.ts";
import { mebibytes } from "../mebibytes.ts";

/** Most bytes of a result that orders keep: of an async call, a durable run and a job. */
export const MOST_RESULT_BYTES = 16 * 2 ** 20;

/**
 * Refuses a result that is surely too large before it is encoded: that would take twice its bytes once more, and the instance's
 * memory is limited.
 *
 * @throws RouseError RESOURCE_EXHAUSTED RESULT_TOO_LARGE
 */
export function refuseLarge(method: AnyMethodDefinition, response: unknown): void {
  const bytes = leastBytes(response);
  if (bytes > MOST_RESULT_BYTES) throw resultTooLarge(method, bytes);
}

/** @param bytes those that it has at least. */
export function resultTooLarge({ name }: AnyMethodDefinition, bytes: number): RouseError {
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `The result of ${name} has ${mebibytes(bytes)}, more than the ${MOST_RESULT_BYTES / 2 ** 20} MiB that an operation keeps. Keep what is large as an artifact, and pass its URI along (docs/artifacts.md).`,
    { reason: "RESULT_TOO_LARGE" },
  );
}

/**
 * Refuses the answer of a plain call, before it is encoded, that is surely larger than one message may be. Only what stands in the
 * message itself is counted: that is quick, and every call's answer is looked at.
 *
 * @param most bytes.
 * @throws RouseError RESOURCE_EXHAUSTED RESULT_TOO_LARGE
 */
export function refuseLargeAnswer(method: AnyMethodDefinition, response: unknown, most: number): void {
  let bytes = 0;
  for (const name in response as object) {
    const value = (response as Readonly<Record<string, unknown>>)[name];
    if (typeof value === "string") bytes += value.length;
    else if (value instanceof Uint8Array) bytes += value.byteLength;
  }
  if (bytes > most) throw answerTooLarge(method, bytes, most);
}

/** @param bytes those that it has at least. @param most that it may have. */
export function answerTooLarge({ name }: AnyMethodDefinition, bytes: number, most: number): RouseError {
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `The response of ${name} has ${mebibytes(bytes)}, more than the ${mebibytes(most)} that its service sends in one message. Keep what is large as an artifact, and pass its URI along (docs/artifacts.md); or answer by a stream, or let serve() send more (maxResponseBytes).`,
    { reason: "RESULT_TOO_LARGE" },
  );
}

/** What a message's strings and bytes come to; encoded, it has no less. A string's characters have a byte each at least. */
export function leastBytes(message: unknown): number {
  const seen = new Set<object>();
  const open: unknown[] = [message];
  let bytes = 0;
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value === "string") bytes += value.length;
    else if (value instanceof Uint8Array) bytes += value.byteLength;
    else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !seen.has(value)) {
      seen.add(value);
      // Numbers may be many, and count nothing.
      const parts = value instanceof Map ? [...value.keys(), ...value.values()] : Object.values(value);
      for (const part of parts) if (typeof part === "string" || typeof part === "object") open.push(part);
    }
  }
  return bytes;
}
