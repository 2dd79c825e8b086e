import { afterAll, beforeAll, expect, test } from "vitest";
import { type Entry, EntryKind, makeEntry } from "../../sdk/durable/entry.ts";
import { RouseError } from "../../sdk/errors.ts";
import { toEntry } from "./record.ts";
import { EngineRig, SERVICE } from "./testing/rig.ts";

let rig: EngineRig;
beforeAll(async () => {
  rig = await EngineRig.start();
}, 60_000);
afterAll(() => rig?.close(), 60_000);

const patience = { timeout: 60_000, interval: 20 };
/** Values of the run's steps, as its journal has them. */
async function recorded(id: string): Promise<string[]> {
  const rows = await rig.runs.journal(id);
  return rows
    .sort((a, b) => a.index - b.index)
    .filter(({ kind }) => kind === 1)
    .map(({ value }) => value.toString());
}

test("a run's steps are recorded, and its result is the operation's", async () => {
  const id = await rig.start({ steps: 3, together: 4 });
  const result = await rig.result(id);
  expect(result).toEqual(await recorded(id));
  expect(result).toHaveLength(7);
  expect(await rig.ended(id)).toMatchObject({ state: "succeeded", attempts: 1, durable: true });
});

test("a last step that is told of together with the end is on disk with it", async () => {
  const id = await rig.start({ steps: 3, ahead: true });
  expect(await rig.result(id)).toEqual(await recorded(id));
  expect(await recorded(id)).toHaveLength(3);
  const failed = await rig.ended(await rig.start({ steps: 1, ahead: true, fail: "No luck." }));
  expect(failed).toMatchObject({ state: "failed", error: { message: "No luck." } });
  expect(await recorded(failed.id)).toHaveLength(1);
});

test("an end does not count where one of its entries is not what is on disk", async () => {
  const id = await rig.start({ answer: "never" });
  await expect.poll(() => rig.runs.get(id), patience).toMatchObject({ waiting: [0] });
  const [entry] = (await rig.runs.journal(id)).map(toEntry);
  const end = { run: id, beganAtMs: Date.now(), attempts: 1, outcome: { response: Buffer.from("1") } };
  const other = { ...(entry as Entry), kind: EntryKind.STEP, done: true, order: 1 };
  expect(await rig.runs.finish({ ...end, entries: [other] })).toBeUndefined();
  expect(await rig.runs.get(id)).toMatchObject({ state: "running" });
  await rig.runs.giveAnswer(id, "never", Buffer.from('"now"'));
  expect(await rig.result(id)).toBe("now");
});

test("a sleep holds no instance, also over a change of the leader", async () => {
  const id = await rig.start({ steps: 1, sleepMs: 4_000 });
  await expect.poll(() => rig.runs.get(id), patience).toMatchObject({ waiting: [1], state: "running" });
  await expect.poll(() => rig.instance.live.has(id), patience).toBe(false);
  const { made } = rig.instance;
  await rig.crash();
  expect(await rig.result(id)).toEqual(await recorded(id));
  expect(made.get(`${id} step 0`)).toBe(1);
  expect(rig.instance.made.size).toBe(0);
});

test("a patch marker is replayed as it was recorded", async () => {
  const id = await rig.start({ patch: "new tax", sleepMs: 2_500 });
  expect(await rig.result(id)).toEqual(["ENTRY_KIND_PATCH new tax"]);
  expect(rig.instance.begun.get(id)).toBe(2);
  expect(await rig.runs.journal(id)).toMatchObject([{ kind: 7, name: "new tax" }, { kind: 4 }]);
});

test("a short sleep keeps its instance", async () => {
  const id = await rig.start({ sleepMs: 50, steps: 1 });
  await rig.result(id);
  expect(rig.instance.begun.get(id)).toBe(1);
});

test("whatever crashes, a step that is recorded is not made again", async () => {
  const id = await rig.start({ steps: 30, stepMs: 20 });
  for (const entries of [5, 15]) {
    await expect.poll(async () => (await recorded(id)).length, patience).toBeGreaterThan(entries);
    const before = await recorded(id);
    await rig.crash();
    await expect.poll(async () => (await recorded(id)).length, patience).toBeGreaterThan(before.length);
    expect((await recorded(id)).slice(0, before.length)).toEqual(before);
    for (let step = 0; step < before.length; step++)
      expect(rig.instance.made.has(`${id} step ${step}`)).toBe(false);
  }
  expect(await rig.result(id)).toEqual(await recorded(id));
});

test("calls of other methods are operations, and their answers wake the run", async () => {
  const call = { service: SERVICE, method: "Plain", request: "pong" };
  const id = await rig.start({ call });
  expect(await rig.result(id)).toBe("pong");
  const [entry] = await rig.runs.journal(id);
  expect(await rig.operations.get(entry?.child ?? "")).toMatchObject({ parent: id, state: "succeeded" });
});

test("a call of another durable method is a run of its own", async () => {
  const inner = { service: SERVICE, method: "Play", request: { sleepMs: 2_500, steps: 2 } };
  const id = await rig.start({ steps: 1, call: inner });
  expect(await rig.result(id)).toHaveLength(2);
});

test("an answer from outside ends the wait, whenever it is given", async () => {
  const id = await rig.start({ answer: "approval" });
  await expect.poll(() => rig.runs.get(id), patience).toMatchObject({ waiting: [0] });
  await rig.runs.giveAnswer(id, "approval", Buffer.from('"yes"'));
  await rig.runs.giveAnswer(id, "approval", Buffer.from('"no"'));
  expect(await rig.result(id)).toBe("yes");
});

test("runs of a key come one after the other, in the order in which they were started", async () => {
  const ids: string[] = [];
  for (let number = 0; number < 8; number++) ids.push(await rig.start({ steps: 3, stepMs: 2 }, "key a"));
  const other = await rig.start({ steps: 1 }, "key b");
  await Promise.all([...ids, other].map((id) => rig.result(id)));
  expect(rig.instance.together.get("key a")).toBe(1);
  expect(rig.instance.order.filter((id) => ids.includes(id))).toEqual(ids);
});

test("what a run keeps is there for later ones of its key, and of no other", async () => {
  const keep = async (value: string, key: string) => rig.result(await rig.start({ keep: value }, key));
  expect(await keep("one", "kept a")).toEqual({ before: "", after: "one" });
  expect(await keep("two", "kept a")).toEqual({ before: "one", after: "two" });
  expect(await keep("other", "kept b")).toEqual({ before: "", after: "other" });
  expect(await rig.runs.listKept(SERVICE, "", 10)).toMatchObject([
    { key: "kept a", name: "last", value: Buffer.from("two") },
    { key: "kept b", name: "last", value: Buffer.from("other") },
  ]);
  expect(await keep("", "kept a")).toEqual({ before: "two", after: "" });
  expect(await rig.runs.forgetKept(SERVICE, "kept b", "")).toBe(1);
  expect(await rig.runs.listKept(SERVICE, "", 10)).toEqual([]);
});

test("what is kept outlives crashes, and is changed once", async () => {
  const id = await rig.start({ keep: "first", sleepMs: 2_500 }, "kept c");
  await expect.poll(() => rig.runs.get(id), patience).toMatchObject({ waiting: [0] });
  await rig.crash();
  const next = await rig.start({ keep: "second" }, "kept c");
  expect(await rig.result(id)).toEqual({ before: "", after: "first" });
  expect(await rig.result(next)).toEqual({ before: "first", after: "second" });
});

test("what a run keeps together with its end is kept as well", async () => {
  const id = await rig.start({ answer: "never" }, "kept e");
  await expect.poll(() => rig.runs.get(id), patience).toMatchObject({ waiting: [0] });
  const last = {
    index: 1,
    kind: EntryKind.KEEP,
    name: "last",
    done: true,
    value: Buffer.from("end"),
    order: 9,
  };
  const outcome = { response: Buffer.alloc(0) };
  const end = { run: id, beganAtMs: Date.now(), attempts: 1, outcome, entries: [makeEntry(last)] };
  expect(await rig.runs.finish(end)).toMatchObject({ state: "succeeded" });
  expect(await rig.runs.listKept(SERVICE, "kept e", 10)).toMatchObject([{ name: "last", run: id }]);
  // The same once more comes too late.
  const late = { ...end, entries: [makeEntry({ ...last, index: 2, value: Buffer.from("late") })] };
  expect(await rig.runs.finish(late)).toBeUndefined();
  expect(await rig.runs.listKept(SERVICE, "kept e", 10)).toMatchObject([{ value: Buffer.from("end") }]);
});

test("a run that was cancelled keeps nothing any more", async () => {
  const id = await rig.start({ answer: "never" }, "kept d");
  await expect.poll(() => rig.runs.get(id), patience).toMatchObject({ waiting: [0] });
  await rig.operations.fail(id, new RouseError("CANCELLED", "Not needed."), "cancelled");
  const late = makeEntry({
    index: 1,
    kind: EntryKind.KEEP,
    name: "last",
    done: true,
    value: Buffer.from("late"),
    order: 9,
  });
  await rig.runs.append({ run: id, entry: late });
  expect(await rig.runs.listKept(SERVICE, "kept d", 10)).toEqual([]);
});

test("a run that is cancelled takes what it started with it, and lets the next of its key begin", async () => {
  const inner = { service: SERVICE, method: "Play", request: { sleepMs: 3_600_000 } };
  const id = await rig.start({ call: inner }, "key c");
  const next = await rig.start({ steps: 1 }, "key c");
  await expect.poll(async () => (await rig.runs.journal(id))[0]?.child, patience).toBeTypeOf("string");
  const child = (await rig.runs.journal(id))[0]?.child ?? "";
  await rig.operations.fail(id, new RouseError("CANCELLED", "Not needed."), "cancelled");
  expect(await rig.ended(child)).toMatchObject({
    state: "cancelled",
    error: { message: "The operation was cancelled with the durable run that started it." },
  });
  await rig.result(next);
});

test("an ended run is retried from a step", async () => {
  const id = await rig.start({ steps: 3, fail: "No luck." });
  expect(await rig.ended(id)).toMatchObject({ state: "failed", error: { message: "No luck." } });
  const before = await recorded(id);
  expect(await rig.runs.reopen(id, 2, "1.0.0", new RouseError("CANCELLED", "Retried."))).toBe(true);
  expect(await rig.ended(id)).toMatchObject({ state: "failed" });
  const after = await recorded(id);
  expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
  expect(after[2]).not.toBe(before[2]);
  expect(await rig.runs.get(id)).toMatchObject({ retries: 1 });
});

test("a function that ends its instances does not hold up others, and its trouble is told", async () => {
  const poison = await rig.start({ steps: 2, breakAt: 1 });
  const others = [await rig.start({ steps: 2 }), await rig.start({ steps: 2 })];
  await Promise.all(others.map((id) => rig.result(id)));
  await expect.poll(async () => (await rig.runs.get(poison))?.trouble, patience).not.toBe("");
  expect(await recorded(poison)).toHaveLength(1);
  await rig.operations.fail(poison, new RouseError("CANCELLED", "Enough."), "cancelled");
  await expect.poll(() => rig.instance.live.has(poison), patience).toBe(false);
});

test("what is too large fails the run with what to do", async () => {
  const large = await rig.ended(await rig.start({ bytes: 2 * 2 ** 20 }));
  expect(large.error).toMatchObject({
    reason: "RUN_ENTRY_TOO_LARGE",
    message: expect.stringContaining(
      "2 MiB, more than the 1 MiB that a journal takes. Keep what is large as",
    ),
  });
  const huge = await rig.ended(await rig.start({ resultBytes: 100 * 2 ** 20 }));
  expect(huge.error).toMatchObject({ reason: "RESULT_TOO_LARGE" });
  const result = await rig.ended(await rig.start({ resultBytes: 17 * 2 ** 20 }));
  expect(result.error).toMatchObject({
    reason: "RESULT_TOO_LARGE",
    message: expect.stringContaining("17 MiB, more than the 16 MiB that an operation keeps. Keep what is"),
  });
});

test("whatever characters an error has, it is kept", async () => {
  const metadata = { "nul\0": "half \ud800" };
  const error = new RouseError("INTERNAL", "nul \0, half \ud800", { reason: "R\0", metadata });
  const kept = { code: error.code, message: error.message, reason: error.reason, metadata };
  const call = rig.make("Play", Buffer.from("{}"));
  await rig.letGo();
  await rig.operations.insert(call);
  expect((await rig.operations.fail(call.id, error))?.error).toEqual(kept);
  await rig.lead();
  const id = await rig.start({ answer: "never" });
  await expect.poll(() => rig.runs.get(id), patience).toMatchObject({ waiting: [0] });
  const entry = (await rig.runs.journal(id))[0];
  expect(await rig.runs.complete(id, entry?.index ?? 0, 1, { error: kept })).toBe(true);
  expect((await rig.runs.journal(id))[0]?.error).toEqual(kept);
  await rig.runs.trouble(id, "nul \0");
  await rig.operations.progress(id, 0.5, "nul \0");
  const end = { run: id, beganAtMs: Date.now(), attempts: 1, outcome: { error }, entries: [] };
  expect(await rig.runs.finish(end)).toMatchObject({ state: "failed", error: kept });
  expect((await rig.ended(id)).error).toEqual(kept);
  expect(await rig.runs.outcome(id)).toEqual({ error: kept });
});
