import { randomUUID } from "node:crypto";
import { RouseError } from "../errors.ts";
import { type Calls, runClient } from "./calls.ts";
import { checkName, type Entry, EntryKind, makeEntry } from "./entry.ts";
import type { Asked, Machine } from "./machine.ts";
import { runStep } from "./step.ts";
import type { Run } from "./types.ts";
import { decodeValue, encodeValue } from "./values.ts";

/** What is known of a run from its beginning. */
export interface RunFacts {
  readonly run: string;
  readonly key: string;
  readonly caller: string;
}

/** What a run's context stands on. */
export interface ContextOptions<State> {
  readonly facts: RunFacts;
  readonly state: State;
  readonly machine: Machine;
  readonly calls: Calls;
  /** The time, ms since 1970. */
  readonly clock: () => number;
  readonly progress: (fraction: number, note: string) => void;
}

/** The context that a durable function gets. */
export function runContext<State>(options: ContextOptions<State>): Run<State> {
  const { facts, machine, clock } = options;
  const made = (asked: Asked, parts: Partial<Entry>) => (index: number) =>
    makeEntry({ index, kind: asked.kind, name: asked.name, beganAtMs: clock(), ...parts });
  const atOnce = <T>(kind: EntryKind, name: string, make: () => T): T => {
    const asked = { kind, name };
    const entry = (index: number) =>
      made(asked, { done: true, value: Buffer.from(encodeValue(make())) })(index);
    return machine.atOnce(asked, entry, ({ value }) => decodeValue(value) as T);
  };
  const sleepUntil = (untilMs: number, name: string) => {
    const asked = { kind: EntryKind.SLEEP, name: checkName(name) };
    return machine.remote(asked, made(asked, { untilMs: Math.ceil(untilMs) }), () => undefined);
  };
  return {
    id: facts.run,
    key: facts.key,
    caller: facts.caller,
    state: options.state,
    signal: machine.signal,
    get replaying() {
      return machine.replaying;
    },
    step(name, work, settings = {}) {
      const asked = { kind: EntryKind.STEP, name: checkName(name) };
      const make = async (index: number) => {
        const call = { signal: machine.signal, idempotencyKey: `${facts.run}/${index}` };
        return made(asked, { beganAtMs: clock(), ...(await runStep(name, work, settings, call)) })(index);
      };
      return machine.step(asked, make, ({ value }) => decodeValue(value) as Awaited<ReturnType<typeof work>>);
    },
    client: (definition, settings = {}) => runClient(definition, settings, { ...options, made }),
    sleep: (ms, name = "sleep") => sleepUntil(clock() + checkMs(ms), name),
    sleepUntil: (time, name = "sleep") => sleepUntil(checkMs(Number(time)), name),
    async within(ms, work) {
      const late = Symbol("late");
      const first = await Promise.race([work, sleepUntil(clock() + checkMs(ms), "within").then(() => late)]);
      if (first === late) throw waitedTooLong(ms);
      return first as Awaited<typeof work>;
    },
    answer(name) {
      const asked = { kind: EntryKind.ANSWER, name: checkName(name) };
      return machine.remote(asked, made(asked, {}), ({ value }) => decodeValue(value) as never);
    },
    all: (work) => Promise.all(work) as never,
    race: (work) => Promise.race(work),
    now: () => atOnce(EntryKind.TIME, "now", clock),
    random: () => atOnce(EntryKind.RANDOM, "random", Math.random),
    uuid: () => atOnce(EntryKind.RANDOM, "uuid", randomUUID),
    patched(name) {
      const asked = { kind: EntryKind.PATCH, name: checkName(name) };
      return machine.marked(asked, made(asked, { done: true, value: Buffer.from(encodeValue(true)) }));
    },
    kept(name) {
      const asked = { kind: EntryKind.KEPT, name: checkName(name) };
      if (facts.key === "") throw withoutKey(name);
      return machine.remote(asked, made(asked, {}), ({ value }) =>
        value.length === 0 ? undefined : (decodeValue(value) as never),
      );
    },
    async keep(name, value) {
      const asked = { kind: EntryKind.KEEP, name: checkName(name) };
      if (facts.key === "") throw withoutKey(name);
      const bytes =
        value === undefined
          ? Buffer.alloc(0)
          : Buffer.from(encodeValue(value, `What is kept as ${JSON.stringify(name)}`));
      const make = async (index: number) => made(asked, { done: true, value: bytes })(index);
      await machine.step(asked, make, () => undefined);
    },
    progress(fraction, note = "") {
      if (!machine.replaying) options.progress(fraction, note);
    },
  };
}

/** Longest rest: what a date can tell, ms since 1970. */
const LAST_MS = 8.64e15;

function checkMs(ms: number): number {
  if (ms >= 0 && ms <= LAST_MS) return ms;
  throw new RouseError(
    "INVALID_ARGUMENT",
    `A run cannot rest for or until ${ms}. Give ms, such as run.sleep(60_000), or a date.`,
    { reason: "SLEEP_INVALID" },
  );
}

function withoutKey(name: string): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `The run has no key, so that nobody could find again what is kept as ${JSON.stringify(name)}. Call the method with one, as { key: "account-7" }; an actor that is keyed takes no other calls.`,
    { reason: "RUN_WITHOUT_KEY" },
  );
}

function waitedTooLong(ms: number): RouseError {
  return new RouseError(
    "DEADLINE_EXCEEDED",
    `What the run waited for did not come within ${ms} ms. It goes on by itself; wait longer, or do without it.`,
    { reason: "RUN_WAITED_TOO_LONG" },
  );
}
