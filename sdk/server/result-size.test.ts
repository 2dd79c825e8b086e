import fc from "fast-check";
import { expect, test } from "vitest";
import { WorkerServiceDefinition } from "../../test/fixtures/worker/gen/worker/v1/worker.definition.ts";
import { leastBytes, refuseLarge } from "./result-size.ts";

const { work } = WorkerServiceDefinition.methods;
const response = { version: "", operation: "", payload: new Uint8Array(), steps: 0, instance: "" };

test("a result that is too large is refused with what to do", () => {
  const payload = new Uint8Array(100 * 2 ** 20);
  expect(() => refuseLarge(work, { ...response, payload })).toThrow(
    expect.objectContaining({
      status: "RESOURCE_EXHAUSTED",
      reason: "RESULT_TOO_LARGE",
      message:
        "The result of Work has 100.0 MiB, more than the 16 MiB that an operation keeps. Keep what is large as an artifact, and pass its URI along (docs/artifacts.md).",
    }),
  );
});

test("never more is counted than the encoded message has", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.uint8Array({ maxLength: 300 }), (version, payload) => {
      const message = { ...response, version, payload };
      expect(leastBytes(message)).toBe(version.length + payload.length);
      expect(leastBytes(message)).toBeLessThanOrEqual(work.encodeResponse(message).length);
      expect(() => refuseLarge(work, message)).not.toThrow();
    }),
  );
});

test("lists, maps and messages in messages are counted, and what goes round in circles ends", () => {
  const circle: { text: string; self?: unknown } = { text: "abc" };
  circle.self = circle;
  expect(
    leastBytes({ of: [circle, { more: new Map([["k", "vw"]]) }], numbers: [1, 2, null, undefined] }),
  ).toBe(6);
});
