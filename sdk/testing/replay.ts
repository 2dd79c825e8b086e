import { isDeepStrictEqual } from "node:util";
import { runContext } from "../durable/context.ts";
import { describeEntry, type Entry, EntryKind } from "../durable/entry.ts";
import { answeredOtherwise, asksForMore } from "../durable/errors.ts";
import { isAnsweredAtOnce, keepIn, MemoryJournal, whatIsKept } from "../durable/journal.ts";
import { type Keeper, Machine, type Outcome } from "../durable/machine.ts";
import type { DurableFunction } from "../durable/types.ts";
import { decodeValue, encodeValue } from "../durable/values.ts";
import { RouseError } from "../errors.ts";
import { type TestService, TestServices } from "./services.ts";

/** How a durable function is tried. */
export interface ReplayOptions<State = undefined> {
  /** What `run.state` is. */
  readonly state?: State;
  /** Key of a keyed actor. */
  readonly key?: string;
  /** Id of the run. Default "test-run". */
  readonly id?: string;
  /** Services that it calls: `service(XDefinition, handlers)`. They run in this process. */
  readonly services?: readonly TestService[];
  /** What is given from outside, by the names that `run.answer` waits for. */
  readonly answers?: Readonly<Record<string, unknown>>;
  /** What former runs of the key have kept, by name. */
  readonly kept?: Readonly<Record<string, unknown>>;
  /** When the run begins, by its own clock. Default 2026-01-01. Sleeps take no time. */
  readonly startAt?: number | Date;
  /** When it is begun anew over its journal: after every entry (default), or only at the end, to compare. */
  readonly restart?: "always" | "at the end";
  /** The first result of each step is lost, as by a crash before it is recorded: each step is done twice. Default false. */
  readonly stepsTwice?: boolean;
  /** How long a replay may wait for what is not in its journal, ms. Default 5,000. */
  readonly stuckMs?: number;
}

/** One entry of the journal, for a test to look at. */
export interface ReplayedEntry {
  readonly index: number;
  /** "step", "sleep", "call", "answer", "random", "time", "patch", "kept" or "keep". */
  readonly kind: string;
  readonly name: string;
  /** Whether it has ended: a timer that lost a race has not. */
  readonly done: boolean;
  /** Undefined when it has none, or failed. Of a call: the bytes of its response. */
  readonly value: unknown;
  readonly error: { readonly reason: string; readonly message: string } | undefined;
}

/** How a run went. */
export interface Replayed<Response> {
  readonly response: Response;
  readonly journal: readonly ReplayedEntry[];
  /** What is kept of the key at the end, by name. */
  readonly kept: Readonly<Record<string, unknown>>;
  /** How often the function was begun. */
  readonly begun: number;
  /** How long it took by its own clock, sleeps included, ms. */
  readonly tookMs: number;
}

const ID = "test-run";
const START_MS = Date.UTC(2026, 0, 1);
const STUCK_MS = 5_000;

/**
 * Runs a durable function in this process, in memory, and begins it anew over its journal after every step, sleep and answer: what
 * works here works after crashes. At the end it is replayed once more, and must do and answer the same.
 *
 * @throws RouseError what the function throws; FAILED_PRECONDITION RUN_NOT_DETERMINISTIC with the step that differs;
 *   RUN_STALLED when it waits for an answer that the test does not give; TEST_SERVICE_MISSING for a service that it does not give.
 */
export async function replay<Request, Response, State = undefined>(
  work: DurableFunction<Request, Response, State>,
  request: Request,
  options: ReplayOptions<State> = {},
): Promise<Replayed<Response>> {
  const services = new TestServices(options.services ?? []);
  try {
    const rehearsal = new Rehearsal(work, request, options, services);
    const outcome = await rehearsal.perform();
    if ("error" in outcome) throw outcome.error;
    const { begun, tookMs, kept } = rehearsal;
    const journal = rehearsal.entries.map(shown);
    return { response: outcome.response as Response, journal, kept, begun, tookMs };
  } finally {
    await services.close();
  }
}

/** What is under way outside of the function: when it ends, by the run's clock, and how. */
interface Due {
  readonly index: number;
  readonly atMs: number;
  readonly end: Partial<Pick<Entry, "value" | "error">>;
}

class Rehearsal<Request, Response, State> {
  readonly #work: DurableFunction<Request, Response, State>;
  readonly #request: Request;
  readonly #options: ReplayOptions<State>;
  readonly #services: TestServices;
  readonly #journal = new MemoryJournal();
  readonly #due = new Map<number, Promise<Due | undefined>>();
  readonly #lost = new Set<number>();
  readonly #kept: Map<string, Buffer>;
  readonly #startMs: number;
  #nowMs: number;
  #stalled = false;
  begun = 0;

  constructor(
    work: DurableFunction<Request, Response, State>,
    request: Request,
    options: ReplayOptions<State>,
    services: TestServices,
  ) {
    this.#work = work;
    this.#request = request;
    this.#options = options;
    this.#services = services;
    this.#startMs = Number(options.startAt ?? START_MS);
    this.#nowMs = this.#startMs;
    const kept = Object.entries(options.kept ?? {});
    this.#kept = new Map(kept.map(([name, value]) => [name, Buffer.from(encodeValue(value))]));
  }

  get kept(): Record<string, unknown> {
    return Object.fromEntries([...this.#kept].map(([name, value]) => [name, decodeValue(value)]));
  }

  get entries(): Entry[] {
    return this.#journal.entries;
  }

  get tookMs(): number {
    return this.#nowMs - this.#startMs;
  }

  async perform(): Promise<Outcome> {
    let outcome: Outcome | undefined;
    while (outcome === undefined) outcome = await this.#attempt();
    if (this.#stalled || ("error" in outcome && isNotDeterministic(outcome.error))) return outcome;
    const again = await this.#compare();
    if ("error" in again && isNotDeterministic(again.error)) return again;
    if (isDeepStrictEqual(comparable(outcome), comparable(again))) return outcome;
    return { error: answeredOtherwise(this.entries.length, outcome, again) };
  }

  /** Runs the function once. Undefined: it is to be begun anew. */
  async #attempt(): Promise<Outcome | undefined> {
    const { promise: again, resolve } = Promise.withResolvers<"again" | RouseError>();
    const every = this.#options.restart !== "at the end";
    const keeper: Keeper = {
      send: (entry) => {
        if (!this.#keep(entry)) {
          resolve("again");
          return;
        }
        if (!entry.done) this.#begin(entry);
        else if (!every || isAnsweredAtOnce(entry)) setImmediate(() => machine.committed([entry.index]));
        // A step that runs beside it ends as well: what it does is not done twice by this test.
        else if (machine.steps === 0) resolve("again");
      },
      waiting: (indexes) => {
        this.#complete(indexes).then((entry) => {
          if (entry instanceof RouseError || every) resolve(entry instanceof RouseError ? entry : "again");
          else machine.completed(entry);
        }, resolve);
      },
    };
    const machine = this.#machine(keeper);
    const first = await Promise.race([this.#run(machine), again]);
    if (first === "again") machine.letGo(begunAnew());
    if (first === "again") return undefined;
    if (!(first instanceof RouseError)) return first;
    this.#stalled = true;
    machine.cancel(first);
    return { error: first };
  }

  /** Replays the whole journal; nothing may be asked for beyond it. */
  async #compare(): Promise<Outcome> {
    const { promise: more, resolve } = Promise.withResolvers<Outcome>();
    const keeper: Keeper = {
      send: (entry) => resolve({ error: asksForMore(entry) }),
      waiting: (indexes) => {
        const entries = this.entries.filter(({ index }) => indexes.includes(index));
        resolve({ error: asksForMore(entries[0] as Entry) });
      },
    };
    const machine = this.#machine(keeper);
    const outcome = await Promise.race([this.#run(machine), more]);
    machine.letGo(begunAnew());
    return outcome;
  }

  #machine(keeper: Keeper): Machine {
    return new Machine(this.entries, keeper, { stuckMs: this.#options.stuckMs ?? STUCK_MS });
  }

  #run(machine: Machine): Promise<Outcome> {
    this.begun += 1;
    const { id: run = ID, key = "", state } = this.#options;
    const context = runContext({
      facts: { run, key, caller: "" },
      state: state as State,
      machine,
      calls: this.#services.call,
      clock: () => this.#nowMs,
      progress: () => undefined,
    });
    return machine.run(() => this.#work(this.#request, context));
  }

  /** Whether the entry is committed, and not lost by the crash that is played. */
  #keep(entry: Entry): boolean {
    const { kind, index } = entry;
    if (this.#options.stepsTwice === true && kind === EntryKind.STEP && !this.#lost.has(index)) {
      this.#lost.add(index);
      return false;
    }
    this.#journal.commit(entry);
    if (kind === EntryKind.KEEP) keepIn(this.#kept, entry);
    return true;
  }

  #begin(entry: Entry): void {
    this.#due.set(entry.index, this.#endOf(entry));
  }

  async #endOf(entry: Entry): Promise<Due | undefined> {
    const { index, kind, untilMs, name, call } = entry;
    if (kind === EntryKind.SLEEP) return { index, atMs: untilMs, end: {} };
    if (kind === EntryKind.CALL && call !== undefined) {
      const atMs = this.#nowMs;
      return { index, atMs, end: await this.#services.operate(call) };
    }
    if (kind === EntryKind.KEPT) return { index, atMs: this.#nowMs, end: whatIsKept(this.#kept, entry) };
    const { answers = {} } = this.#options;
    if (!Object.hasOwn(answers, name)) return undefined;
    return { index, atMs: this.#nowMs, end: { value: Buffer.from(encodeValue(answers[name])) } };
  }

  /** The next thing that the function waits for comes to its end. */
  async #complete(indexes: readonly number[]): Promise<Entry | RouseError> {
    const due = await Promise.all(indexes.map((index) => this.#due.get(index)));
    const [next] = due
      .filter((found) => found !== undefined)
      .sort((a, b) => a.atMs - b.atMs || a.index - b.index);
    if (next === undefined) return stalled(this.entries.filter(({ index }) => indexes.includes(index)));
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    return this.#journal.complete(next.index, next.end) ?? stalled([]);
  }
}

function comparable(outcome: Outcome): unknown {
  if (!("error" in outcome)) return outcome;
  const { status, reason, message } = RouseError.from(outcome.error);
  return { status, reason, message };
}

function isNotDeterministic(error: unknown): boolean {
  return error instanceof RouseError && error.reason === "RUN_NOT_DETERMINISTIC";
}

function shown({ index, kind, name, done, value, error }: Entry): ReplayedEntry {
  return {
    index,
    kind: kind.replace("ENTRY_KIND_", "").toLowerCase(),
    name,
    done,
    value: value.length === 0 ? undefined : kind === EntryKind.CALL ? value : decodeValue(value),
    error: error && { reason: error.reason, message: error.message },
  };
}

function begunAnew(): RouseError {
  return new RouseError("CANCELLED", "The test begins the function anew.", { reason: "CALL_CANCELLED" });
}

function stalled(entries: readonly Entry[]): RouseError {
  const what = entries.map(describeEntry).join(", ");
  return new RouseError(
    "FAILED_PRECONDITION",
    `The run waits for ${what}, which never comes. Give what it waits for: replay(work, request, { answers: { name: value } }).`,
    { reason: "RUN_STALLED" },
  );
}
