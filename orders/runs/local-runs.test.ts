import { afterAll, beforeAll, expect, test } from "vitest";
import { RouseError } from "../../sdk/errors.ts";
import type { NewOperation } from "../operations/store.ts";
import type { Script } from "./testing/instance.ts";
import { EngineRig } from "./testing/rig.ts";

let rig: EngineRig;
beforeAll(async () => {
  rig = await EngineRig.start();
}, 60_000);
afterAll(() => rig?.close(), 60_000);

const made = (script: Script, parts: Partial<NewOperation> = {}): NewOperation => ({
  ...rig.make("Play", Buffer.from(JSON.stringify(script))),
  ...parts,
});
const start = (one: NewOperation) => rig.localRuns.start(one, () => rig.operations.insert(one));
const cancel = (id: string) =>
  rig.operations.fail(id, new RouseError("CANCELLED", "Not needed."), "cancelled");

test("who started a run is told of its end as it is in the database", async () => {
  const { row, ended } = await start(made({ steps: 2, ahead: true }));
  expect(await ended).toEqual(await rig.operations.get(row.id));
  const failed = await start(made({ fail: "No luck." }));
  expect(await failed.ended).toEqual(await rig.operations.get(failed.row.id));
  expect(await failed.ended).toMatchObject({ state: "failed", response: null });
});

test("the same idempotency key gives the run that has it, which is begun once", async () => {
  const key = { idempotencyKey: "order 7" };
  const first = await start(made({ steps: 1 }, key));
  const again = await start(made({ steps: 1 }, key));
  expect(again.row.id).toBe(first.row.id);
  expect(again.ended).toBeUndefined();
  await rig.result(first.row.id);
  expect(rig.instance.made.get(`${first.row.id} step 0`)).toBe(1);
});

test("where somebody else ends it, or this process lets go of it, one has to look", async () => {
  const cancelled = await start(made({ sleepMs: 3_600_000 }));
  await cancel(cancelled.row.id);
  expect(await cancelled.ended).toBeUndefined();
  const left = await start(made({ answer: "go on" }));
  await rig.letGo();
  expect(await left.ended).toBeUndefined();
  await rig.lead();
  await rig.runs.giveAnswer(left.row.id, "go on", Buffer.from('"yes"'));
  expect(await rig.result(left.row.id)).toBe("yes");
});

test("a run that was ended before its starter knew of it is not begun", async () => {
  const one = made({ steps: 1 });
  const { ended } = await rig.localRuns.start(one, async () => {
    const row = await rig.operations.insert(one);
    await cancel(row.id);
    // One with a key is heard of by the same way, and after it.
    await rig.result(await rig.start({ steps: 1 }, "key"));
    return row;
  });
  expect(ended).toBeUndefined();
  // Later ones have been through.
  await rig.result((await start(made({ steps: 1 }))).row.id);
  expect(rig.instance.begun.has(one.id)).toBe(false);
});

test("a run whose commit was not answered is done if it is there", async () => {
  const one = made({ steps: 1 });
  const lost = rig.localRuns.start(one, async () => {
    await rig.operations.insert(one);
    throw new Error("The connection broke.");
  });
  await expect(lost).rejects.toThrow("The connection broke.");
  expect(await rig.result(one.id)).toHaveLength(1);
});
