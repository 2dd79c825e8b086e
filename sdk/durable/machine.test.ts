import { setImmediate as macrotask } from "node:timers/promises";
import { expect, test } from "vitest";
import { RouseError } from "../errors.ts";
import { bareRun } from "../fixtures/bare-run.ts";
import type { Entry } from "./entry.ts";
import { MemoryJournal } from "./journal.ts";
import { Machine, type Outcome } from "./machine.ts";
import type { Run } from "./types.ts";

/** A run whose journal the test keeps by hand. */
class Bench {
  readonly sent: Entry[] = [];
  readonly waiting: number[][] = [];
  readonly machine: Machine;
  readonly outcome: Promise<Outcome>;

  constructor(work: (run: Run) => Promise<unknown>, recorded: readonly Entry[] = []) {
    this.machine = new Machine(recorded, {
      send: (entry) => void this.sent.push(entry),
      waiting: (indexes) => void this.waiting.push([...indexes]),
    });
    const context = bareRun(this.machine);
    this.outcome = this.machine.run(() => work(context));
  }

  async untilSent(count: number): Promise<void> {
    while (this.sent.length < count) await macrotask();
  }

  async untilWaiting(count: number): Promise<void> {
    while (this.waiting.length < count) await macrotask();
  }
}

/** The journal of a function that ran without a crash; sleeps take no time. */
async function journalOf(work: (run: Run) => Promise<unknown>): Promise<Entry[]> {
  const journal = new MemoryJournal();
  const bench = new Bench(work);
  let taken = 0;
  let ended = false;
  void bench.outcome.then(() => {
    ended = true;
  });
  while (!ended) {
    for (const entry of bench.sent.slice(taken)) {
      const kept = journal.commit(entry);
      if (kept.done) bench.machine.committed([kept.index]);
      else bench.machine.completed(journal.complete(kept.index, {}) ?? kept);
      taken += 1;
    }
    await macrotask();
  }
  return journal.entries;
}

test("a step's answer waits for its commit", async () => {
  const bench = new Bench((run) => run.step("a", () => 7));
  await bench.untilSent(1);
  let over = false;
  void bench.outcome.then(() => {
    over = true;
  });
  for (let n = 0; n < 10; n += 1) await macrotask();
  expect(over).toBe(false);
  bench.machine.committed([0]);
  expect(await bench.outcome).toEqual({ response: 7 });
});

test("answers come in the order of their commits, one at a time", async () => {
  const order: string[] = [];
  const bench = new Bench(async (run) => {
    const follow = async (name: string) => {
      await run.step(name, () => name);
      order.push(name);
      await run.step(`after ${name}`, () => 0);
    };
    await run.all([follow("a"), follow("b")]);
  });
  await bench.untilSent(2);
  bench.machine.committed([1, 0]);
  await bench.untilSent(4);
  expect(order).toEqual(["b", "a"]);
  expect(bench.sent.map(({ index, name }) => [index, name])).toEqual([
    [0, "a"],
    [1, "b"],
    [2, "after b"],
    [3, "after a"],
  ]);
  bench.machine.committed([2, 3]);
  expect(await bench.outcome).toEqual({ response: undefined });
});

test("time and random numbers are there at once, and on disk before a step begins", async () => {
  let begun = false;
  const bench = new Bench(async (run) => {
    const now = run.now();
    await run.step("a", () => {
      begun = true;
    });
    return now;
  });
  await bench.untilSent(1);
  for (let n = 0; n < 10; n += 1) await macrotask();
  expect(begun).toBe(false);
  bench.machine.committed([0]);
  await bench.untilSent(2);
  expect(begun).toBe(true);
  bench.machine.committed([1]);
  expect(await bench.outcome).toEqual({ response: 1_000 });
});

test("a function that only waits says for what, and again after what it did in between", async () => {
  const bench = new Bench(async (run) => {
    const timer = run.sleep(60_000);
    await run.step("a", () => 1);
    await timer;
    await run.answer("approval");
  });
  await bench.untilSent(2);
  expect(bench.waiting).toEqual([]);
  bench.machine.committed([1]);
  await bench.untilWaiting(1);
  expect(bench.waiting).toEqual([[0]]);
  const [timer] = bench.sent;
  expect(timer).toMatchObject({ index: 0, name: "sleep", done: false, untilMs: 61_000 });
  bench.machine.completed({ ...(timer as Entry), done: true, order: 2 });
  await bench.untilWaiting(2);
  expect(bench.waiting).toEqual([[0], [2]]);
});

test("what was under way is taken up, and nothing is sent twice", async () => {
  const work = async (run: Run) => {
    await run.step("a", () => 1);
    await run.sleep(60_000);
    return "done";
  };
  const first = new Bench(work);
  await first.untilSent(1);
  first.machine.committed([0]);
  await first.untilSent(2);
  first.machine.letGo(new RouseError("UNAVAILABLE", "The stream broke."));
  const journal = new MemoryJournal();
  for (const entry of first.sent) journal.commit(entry);
  const second = new Bench(work, journal.entries);
  await second.untilWaiting(1);
  expect(second.waiting).toEqual([[1]]);
  expect(second.sent).toEqual([]);
  second.machine.completed(journal.complete(1, {}) as Entry);
  expect(await second.outcome).toEqual({ response: "done" });
});

test("what is completed during a replay comes after it", async () => {
  const work = async (run: Run) => {
    const answer = run.answer("x");
    const order: unknown[] = [];
    void answer.then((value) => order.push(value));
    await run.step("a", () => 1);
    order.push("a");
    await answer;
    return order;
  };
  const first = new Bench(work);
  await first.untilSent(2);
  const journal = new MemoryJournal();
  for (const entry of first.sent) journal.commit(entry);
  const second = new Bench(work, journal.entries);
  second.machine.completed(journal.complete(0, { value: Buffer.from("5") }) as Entry);
  expect(await second.outcome).toEqual({ response: ["a", 5] });
});

test("a cancelled run fails where it waits, cleans up, and asks for nothing any more", async () => {
  const cleaned: unknown[] = [];
  let signal: AbortSignal | undefined;
  const bench = new Bench(async (run) => {
    signal = run.signal;
    try {
      await run.sleep(60_000);
    } finally {
      await run.step("release", () => cleaned.push("released")).catch((error) => cleaned.push(error));
    }
  });
  await bench.untilWaiting(1);
  const error = new RouseError("CANCELLED", "Not needed.", { reason: "OPERATION_CANCELLED" });
  bench.machine.cancel(error);
  expect(await bench.outcome).toEqual({ error });
  while (cleaned.length === 0) await macrotask();
  expect(cleaned).toEqual([error]);
  expect(signal?.reason).toBe(error);
  expect(bench.sent).toHaveLength(1);
});

test("a change behind a patch marker holds for new runs only", async () => {
  const old = async (run: Run) => {
    await run.step("a", () => 1);
    await run.step("tax 19", () => 19);
    await run.step("b", () => 1);
  };
  const patched = async (run: Run) => {
    await run.step("a", () => 1);
    if (run.patched("new-tax")) await run.step("tax 21", () => 21);
    else await run.step("tax 19", () => 19);
    await run.step("b", () => 1);
  };
  const before = await journalOf(old);
  expect(before.map(({ name }) => name)).toEqual(["a", "tax 19", "b"]);
  // An old run's journal, whole and cut off anywhere before the change and after it.
  expect(await new Bench(patched, before).outcome).toEqual({ response: undefined });
  const cut = new Bench(patched, before.slice(0, 2));
  await cut.untilSent(1);
  expect(cut.sent.map(({ name }) => name)).toEqual(["b"]);
  const early = new Bench(patched, before.slice(0, 1));
  await early.untilSent(1);
  expect(early.sent.map(({ name }) => name)).toEqual(["new-tax"]);
  // A new run's.
  const after = await journalOf(patched);
  expect(after.map(({ name }) => name)).toEqual(["a", "new-tax", "tax 21", "b"]);
  expect(await new Bench(patched, after).outcome).toEqual({ response: undefined });
});

test("nothing is done to the world before the journal is used up", async () => {
  const work = (names: readonly string[], done: string[]) => async (run: Run) => {
    await run.all(names.map((name) => run.step(name, () => void done.push(name))));
  };
  const journal = await journalOf(work(["a", "b"], []));
  const done: string[] = [];
  // The new step is asked for first, and its place in the journal is another's.
  const bench = new Bench(work(["a", "x", "b"], done), journal);
  expect(await bench.outcome).toMatchObject({ error: { reason: "RUN_NOT_DETERMINISTIC" } });
  expect(done).toEqual([]);
});
