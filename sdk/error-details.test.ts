import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeErrorDetails, encodeErrorDetails } from "./error-details.ts";
import { RouseError } from "./errors.ts";

test("reason and metadata survive the way, whatever they are", () => {
  const word = fc.string({ unit: "grapheme" });
  fc.assert(
    fc.property(word, word, fc.dictionary(word, word), (message, reason, metadata) => {
      const error = new RouseError("ABORTED", message, { reason, metadata });
      expect(decodeErrorDetails(encodeErrorDetails(error))).toEqual({ reason, metadata: { ...metadata } });
    }),
  );
});

test("a key that means something to objects is a key like others", () => {
  const metadata = Object.fromEntries([["__proto__", "kept"]]);
  const error = new RouseError("ABORTED", "No.", { reason: "SHEEP_OUT", metadata });
  expect(decodeErrorDetails(encodeErrorDetails(error))?.metadata).toStrictEqual(metadata);
});

test("bytes that are no google.rpc.Status, or hold no ErrorInfo, say nothing", () => {
  expect(decodeErrorDetails(Uint8Array.of())).toBeUndefined();
  expect(decodeErrorDetails(Uint8Array.of(8, 5))).toBeUndefined();
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      decodeErrorDetails(bytes);
    }),
  );
});
