import { expect, test } from "vitest";
import { healthLines } from "./quarantine.ts";

const condition = { name: "quarantined", reason: "it hangs", sinceMs: 1, untilMs: 21_000, strikes: 2 };

test("says what is not well, for how long, and why", () => {
  const lines = healthLines(
    {
      instances: [{ instanceId: "a-1", service: "a.v1.A", version: "1.0.0", host: "h1", condition }],
      hosts: [{ host: "h2", condition: { ...condition, name: "healthy", reason: "", untilMs: 0 } }],
      faults: [
        { service: "b.v1.B", version: "2.0.0", reason: "it failed on 2 of the 3 hosts that were tried" },
      ],
    },
    1_000,
  );
  expect(lines).toEqual([
    "NOT WELL                IS           UNTIL          STRIKES",
    "host      h2            healthy                     2        was quarantined lately",
    "instance  a-1           quarantined  20 s from now  2        a.v1.A 1.0.0 on h1: it hangs",
    "version   b.v1.B 2.0.0  at fault                             it failed on 2 of the 3 hosts that were tried",
  ]);
});

test("says nothing when all is well", () => {
  expect(healthLines({ instances: [], hosts: [], faults: [] }, 0)).toEqual([]);
});
