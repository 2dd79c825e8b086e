import { pino } from "pino";
import { expect, test } from "vitest";
import { Faults } from "./faults.ts";

test.each([
  [0, 5, false],
  [1, 0, false],
  [2, 2, false],
  [2, 1, true],
  [3, 0, true],
])("%i do badly and %i well: it is the version's fault? %s", (unwell, well, shared) => {
  const faults = new Faults(pino({ level: "silent" }));
  const reasons = Array.from({ length: unwell }, () => "it hangs");
  expect(faults.weigh("a.v1.A@1.0.0", reasons, well)).toBe(shared);
  expect(faults.all.size).toBe(shared ? 1 : 0);
});
