import fc from "fast-check";
import { expect, test } from "vitest";
import { reverseComplement } from "./reverse-complement.ts";

test("turns a sequence round, in its own case", () => {
  expect(reverseComplement("GATTACAnrY-")).toBe("-RynTGTAATC");
});

test("twice is the same again", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."ACGTRYSWKMBDHVNacgtn") }), (bases) => {
      expect(reverseComplement(reverseComplement(bases))).toBe(bases);
    }),
  );
});
