import { setImmediate as macrotask } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { RouseError } from "../errors.ts";
import { bareRun } from "../fixtures/bare-run.ts";
import type { Entry } from "./entry.ts";
import { Machine, type Outcome } from "./machine.ts";
import type { Run } from "./types.ts";

type Work = (run: Run) => Promise<unknown>;
type Sent = { readonly entry: Entry; readonly last: boolean };

/** A function at an instance that goes on ahead of the disk. */
class Ahead {
  readonly sent: Sent[] = [];
  readonly machine: Machine;
  readonly outcome: Promise<Outcome>;
  over = false;

  constructor(work: Work, recorded: readonly Entry[] = []) {
    const keeper = {
      send: (entry: Entry, last: boolean) => void this.sent.push({ entry, last }),
      waiting: () => undefined,
    };
    this.machine = new Machine(recorded, keeper, { ahead: true });
    const context = bareRun(this.machine);
    this.outcome = this.machine.run(() => work(context));
    void this.outcome.then(() => {
      this.over = true;
    });
  }

  get names(): string[] {
    return this.sent.map(({ entry }) => entry.name);
  }

  async untilSent(count: number): Promise<void> {
    while (this.sent.length < count) await macrotask();
  }
}

/** As long as anything could still happen by itself. */
async function settle(): Promise<void> {
  for (let n = 0; n < 10; n += 1) await macrotask();
}

test("it goes on from a step at once, and does nothing to the world before that is on disk", async () => {
  const seen: unknown[] = [];
  const run = new Ahead(async (run) => {
    seen.push(await run.step("a", () => 1));
    await run.step("b", () => void seen.push("b"));
    await run.sleep(60_000);
  });
  await run.untilSent(1);
  await settle();
  expect(seen).toEqual([1]);
  run.machine.committed([0]);
  await run.untilSent(2);
  expect(seen).toEqual([1, "b"]);
  await settle();
  expect(run.names).toEqual(["a", "b"]);
  run.machine.committed([1]);
  await run.untilSent(3);
  expect(run.names).toEqual(["a", "b", "sleep"]);
});

test("what it ends with goes along with its last step", async () => {
  const run = new Ahead(async (run) => {
    const a = await run.step("a", () => 1);
    return a + (await run.step("b", () => 2));
  });
  await run.untilSent(1);
  run.machine.committed([0]);
  expect(await run.outcome).toEqual({ response: 3 });
  expect(run.sent.map(({ entry, last }) => [entry.name, last])).toEqual([
    ["a", false],
    ["b", true],
  ]);
});

test("what has its answer at once is sent after the steps that it may rest on", async () => {
  const run = new Ahead(async (run) => {
    await run.step("a", () => 1);
    run.uuid();
    await run.step("b", () => 1);
  });
  await run.untilSent(2);
  await settle();
  expect(run.names).toEqual(["a", "uuid"]);
  run.machine.committed([0, 1]);
  await run.outcome;
  expect(run.names).toEqual(["a", "uuid", "b"]);
});

test("while orders may complete something, a step's answer waits for its commit", async () => {
  const run = new Ahead(async (run) => {
    void run.sleep(60_000);
    return run.step("a", () => 1);
  });
  await run.untilSent(2);
  await settle();
  expect(run.over).toBe(false);
  run.machine.committed([1]);
  expect(await run.outcome).toEqual({ response: 1 });
});

/** Orders, with every message and commit on its way for as long as chance has it. */
class Chance {
  readonly journal = new Map<number, Entry>();
  readonly #run: Ahead;
  readonly #next: () => number;
  #arrived = 0;
  #order: number;
  readonly #held: Entry[] = [];
  readonly #committing: { entry: Entry; told: () => void }[] = [];
  readonly #telling: (() => void)[] = [];
  readonly #sleeping: Entry[] = [];

  constructor(run: Ahead, recorded: readonly Entry[], next: () => number) {
    this.#run = run;
    this.#next = next;
    for (const entry of recorded) this.journal.set(entry.index, entry);
    this.#order = Math.max(0, ...recorded.map(({ order }) => order));
    this.#sleeping.push(...recorded.filter(({ done }) => !done));
  }

  /** One thing happens. @returns false: nothing can. */
  step(): boolean {
    const can = [
      this.#arrived < this.#run.sent.length && (() => this.#arrive()),
      this.#committing.length > 0 && (() => this.#commit()),
      this.#telling.length > 0 && (() => this.#telling.shift()?.()),
      this.#sleeping.length > 0 && (() => this.#wake()),
    ].filter((one) => one !== false);
    can[this.#next() % Math.max(1, can.length)]?.();
    return can.length > 0;
  }

  #arrive(): void {
    const { entry: given, last } = this.#run.sent[this.#arrived++] as Sent;
    const entry = given.done ? { ...given, order: ++this.#order } : given;
    if (last) this.#held.push(entry);
    else this.#put(entry, () => (entry.done ? this.#run.machine.committed([entry.index]) : undefined));
  }

  #put(entry: Entry, told: () => void): void {
    this.#committing.push({ entry, told });
  }

  #commit(): void {
    const { entry, told } = this.#committing.shift() as { entry: Entry; told: () => void };
    this.journal.set(entry.index, entry);
    if (!entry.done) this.#sleeping.push(entry);
    this.#telling.push(told);
  }

  #wake(): void {
    const [slept] = this.#sleeping.splice(this.#next() % this.#sleeping.length, 1);
    const entry = { ...(slept as Entry), done: true, order: ++this.#order };
    this.#put(entry, () => this.#run.machine.completed(entry));
  }

  /** The end is on disk. */
  finish(): readonly Entry[] {
    for (const entry of this.#held) this.journal.set(entry.index, entry);
    return [...this.journal.values()];
  }
}

/** Chains of things to do, all at one time. */
type Part = "step" | "sleep" | "now";
function chains(parts: readonly (readonly Part[])[], seen: string[]): Work {
  return async (run) => {
    const chain = async (which: number) => {
      for (const [at, part] of (parts[which] ?? []).entries()) {
        if (part === "step") await run.step(`step ${which}.${at}`, () => at);
        else if (part === "sleep") await run.sleep(1, `sleep ${which}.${at}`);
        else run.now();
        seen.push(`${part} ${which}.${at}`);
      }
      return which;
    };
    return run.all(parts.map((_, which) => chain(which)));
  };
}

test("whatever is on its way when, and wherever it stops: a replay sees what was seen, in that order", async () => {
  const part = fc.constantFrom<Part>("step", "step", "sleep", "now");
  const parts = fc.array(fc.array(part, { maxLength: 5 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(parts, fc.nat(40), fc.infiniteStream(fc.nat(1_000)), async (parts, stopAt, chance) => {
      const next = () => chance.next().value ?? 0;
      const first: string[] = [];
      const run = new Ahead(chains(parts, first));
      const orders = new Chance(run, [], next);
      for (let n = 0; n < stopAt && !run.over; n += 1) {
        orders.step();
        await macrotask();
      }
      // The instance, or orders, stops: what is on disk is all that there is.
      const ended = run.over && (await run.outcome);
      const recorded = ended ? orders.finish() : [...orders.journal.values()];
      run.machine.letGo(new RouseError("UNAVAILABLE", "It stopped."));
      const second: string[] = [];
      const again = new Ahead(chains(parts, second), recorded);
      const rest = new Chance(again, recorded, next);
      while (!again.over) {
        rest.step();
        await macrotask();
      }
      const outcome = await again.outcome;
      expect(outcome).toEqual({ response: parts.map((_, which) => which) });
      if (ended) expect([outcome, second]).toEqual([ended, first]);
      // What is not on disk yet may come in another order.
      const done = new Set(recorded.filter((entry) => entry.done && entry.order > 0).map(({ name }) => name));
      const known = (seen: string[]) => seen.filter((name) => done.has(name));
      expect(known(second).slice(0, known(first).length)).toEqual(known(first));
    }),
    { numRuns: 300 },
  );
});
