import { expect, test } from "vitest";
import type { Target } from "../registry/target.ts";
import { ServedNotes } from "./served-notes.ts";

const target: Target = { service: "a.v1.A", version: "1.0.0", generation: 3 };

test("a note that is missing is written until it is there, by one of those who miss it", async () => {
  let noted = false;
  let tries = 0;
  const warned: unknown[] = [];
  const notes = new ServedNotes({
    isMissing: () => !noted,
    async write(of) {
      expect(of).toEqual(target);
      tries += 1;
      if (tries < 3) throw new Error("Consul is away");
      noted = true;
    },
    log: { warn: (...facts: unknown[]) => void warned.push(facts) },
    lateMs: 1,
  });
  notes.check(target);
  notes.check(target);
  await expect.poll(() => noted, { timeout: 60_000 }).toBe(true);
  notes.check(target);
  expect(tries).toBe(3);
  expect(warned).toHaveLength(2);
});

test("one that comes by itself, or is of no use any more, is not written", async () => {
  let asked = 0;
  const notes = new ServedNotes({
    isMissing: () => ++asked === 1,
    write: () => Promise.reject(new Error("it must not be written")),
    log: { warn: () => expect.fail("nothing is to be told") },
    lateMs: 1,
  });
  notes.check(target);
  await expect.poll(() => asked, { timeout: 60_000 }).toBe(2);
});
