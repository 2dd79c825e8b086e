import { expect, test } from "vitest";
import { type EndedInstance, MemoryDeaths, MOST_DEATHS } from "./memory-deaths.ts";

const called = { service: "loan.v1.LoanService", version: "1.0.0", method: "Apply" };
const starved = (id: string): EndedInstance => ({
  id,
  reason: "loan.v1.LoanService 1.0.0 used more than its 128 MiB of memory and was killed (out of memory).",
  endedAtMs: Date.now(),
});

test("a call under which instances run out of memory again and again is at fault", async () => {
  const ended: EndedInstance[] = [];
  const suspect = new MemoryDeaths(async () => ended).suspect(called);
  for (let death = 1; death <= MOST_DEATHS; death++) {
    expect(suspect.fault).toBeUndefined();
    ended.push(starved(`i${death}`));
    expect(await suspect.interrupted(Date.now())).toContain("(out of memory)");
  }
  expect(suspect.fault).toMatchObject({
    status: "RESOURCE_EXHAUSTED",
    reason: "CALL_OUT_OF_MEMORY",
    message:
      "loan.v1.LoanService/Apply of 1.0.0 is not called again: 3 times in a row its instance ran out of memory. loan.v1.LoanService 1.0.0 used more than its 128 MiB of memory and was killed (out of memory). Let the method keep what is large as an artifact, in parts, and answer its URI (docs/artifacts.md).",
  });
});

test("an instance that ended otherwise, or before, counts nothing", async () => {
  const killed = { id: "k", reason: "It was ended by SIGKILL.", endedAtMs: Date.now() };
  const ended = [{ ...starved("old"), endedAtMs: Date.now() - 60_000 }, killed];
  const suspect = new MemoryDeaths(async () => ended).suspect(called);
  expect(await suspect.interrupted(Date.now())).toBe("It was ended by SIGKILL.");
  expect(await suspect.interrupted(Date.now())).toBeUndefined();
  expect(suspect.fault).toBeUndefined();
});

test("calls that were under way at such an end are made one at a time", async () => {
  const deaths = new MemoryDeaths(async () => [starved("i")]);
  const [one, other, fresh] = [deaths.suspect(called), deaths.suspect(called), deaths.suspect(called)];
  await Promise.all([one.interrupted(Date.now()), other.interrupted(Date.now())]);
  const free = await one.turn();
  let waits = true;
  const turn = other.turn().then((next) => {
    waits = false;
    return next;
  });
  (await fresh.turn())();
  expect(waits).toBe(true);
  free();
  (await turn)();
});
