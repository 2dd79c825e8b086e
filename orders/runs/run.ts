import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { type ChildCall, type Entry, EntryKind } from "#proto/rouse/orders/v1/durable.ts";
import { RouseError } from "../../sdk/errors.ts";
import { statusName } from "../../sdk/status.ts";
import type { MemoryDeaths } from "../operations/memory-deaths.ts";
import type { RunStream } from "../operations/mesh-call.ts";
import { errorJson, type OperationRow } from "../operations/record.ts";
import type { NewOperation } from "../operations/store.ts";
import { judge } from "./judge.ts";
import { entryFault, MOST_ENTRIES, MOST_ENTRY_BYTES, resultFault } from "./limits.ts";
import { type EntryRow, type RunRow, toEntry } from "./record.ts";
import { Session, type SessionEnd } from "./session.ts";
import type { Completion, RunEnd, RunStore } from "./store.ts";

/** What a run needs of the engine. */
export interface RunDeps {
  readonly store: RunStore;
  readonly log: Logger;
  /** Opens a stream to an instance. */
  open(run: RunRow): RunStream;
  readonly deaths: MemoryDeaths;
  /** Checks a call of the function's against the catalog. @throws RouseError as newOperation. */
  child(run: RunRow, call: ChildCall): Promise<NewOperation>;
  /** Tells the run of the end of that operation. */
  follow(child: string, run: LiveRun, index: number): void;
  /** Resolves when one more stream may be opened. */
  slot(): Promise<() => void>;
  /** The run is over; called once. @param row as it ended; undefined: somebody else ended it. */
  over(run: LiveRun, row?: OperationRow): void;
}

type Pending = Pick<EntryRow, "index" | "kind" | "name" | "until_ms" | "child"> & { readonly entry: Entry };

/** Pauses before another instance is asked, ms: the first, doubling, the longest. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** A function that only waits keeps its instance so long, ms, when what it waits for may come soon. */
const KEEP_MS = 2_000;
/** Others are told that a run runs when it takes longer than that, ms: most are over before. */
const TELL_MS = 150;
/** Longest time of a Node timer, ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const AGAIN_MS = 1_000;

/** One run that has not ended, as the leader has it. */
export class LiveRun {
  readonly row: RunRow;
  readonly #deps: RunDeps;
  readonly #signal: AbortSignal;
  readonly #pending = new Map<number, Pending>();
  /** Entries after which more comes at once: they go on disk with that. */
  #held: Entry[] = [];
  /** Latest place in the order of completions, entries and their bytes. */
  #order = 0;
  #size = { entries: 0, bytes: 0 };
  /** Request of a run that was just started. */
  #request: Buffer | undefined;
  #fresh: boolean;
  #session: Session | undefined;
  /** Indexes that it waits for while no instance has it. */
  #asleep: readonly number[] | undefined;
  #over = false;
  /** Its end is being written; whether it comes first is known then. */
  #ending = false;
  #attempts: number;
  #toldRunning = false;
  #beganAtMs = 0;
  /** Resolves when all that was committed before is told to the instance: a replay must see the same order. */
  #told: Promise<void> = Promise.resolve();
  /** Resolves when no journal is being read. */
  #read: Promise<void> = Promise.resolve();
  #wake = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;
  #keep: NodeJS.Timeout | undefined;

  /** @param request of a run that was just started, which has no journal. */
  constructor(deps: RunDeps, row: RunRow, signal: AbortSignal, request?: Buffer) {
    this.row = row;
    this.#deps = deps;
    this.#signal = signal;
    this.#attempts = row.attempts;
    this.#request = request;
    this.#fresh = request !== undefined && row.entries === 0;
    this.#asleep = row.waiting ?? undefined;
    this.#toldRunning = row.state === "running";
  }

  /** Runs it until it is over or the signal aborts. Never rejects. */
  async drive(): Promise<void> {
    const stop = () => this.#stop();
    this.#signal.addEventListener("abort", stop, { once: true });
    let pauseMs = FIRST_PAUSE_MS;
    let interruptions = 0;
    let suspect = this.#deps.deaths.suspect(this.row);
    try {
      while (this.#goesOn()) {
        try {
          if (this.#asleep !== undefined) await this.#sleep(this.#asleep);
          if (!this.#goesOn()) return;
          const before = this.#order;
          const free = await suspect.turn();
          const begunMs = Date.now();
          const end = await this.#attempt().finally(free);
          if (!this.#goesOn()) return;
          if (end === "done") {
            interruptions = 0;
            pauseMs = FIRST_PAUSE_MS;
            continue;
          }
          const progressed = this.#order > before;
          const verdict = judge(this.row, end, { progressed, interruptions });
          if (verdict instanceof RouseError) {
            await this.#finish({ error: verdict });
            return;
          }
          if (progressed) suspect = this.#deps.deaths.suspect(this.row);
          const words = verdict === "counted" ? await suspect.interrupted(begunMs) : undefined;
          if (suspect.fault !== undefined) {
            await this.#finish({ error: suspect.fault });
            return;
          }
          interruptions = progressed ? 0 : interruptions + Number(verdict === "counted");
          if (progressed) pauseMs = FIRST_PAUSE_MS;
          await this.#deps.store.trouble(this.row.id, (words ?? end.message).slice(0, 1_000));
        } catch (err) {
          this.#deps.log.warn({ err, run: this.row.id }, "a run waits for the database");
        }
        await sleep(pauseMs, undefined, { signal: this.#signal }).catch(() => undefined);
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
    } finally {
      this.#signal.removeEventListener("abort", stop);
      this.#stop();
    }
  }

  /** Somebody else ended it, such as who cancelled it. */
  endedElsewhere(reason: string): void {
    // Its own end may be told before the database has answered.
    if (this.#over || this.#ending) return;
    this.#session?.ended(reason);
    this.#close();
  }

  /** An operation that it started has ended. */
  childEnded(index: number): void {
    this.#soon(async () => {
      const pending = this.#pending.get(index);
      if (pending?.child == null) return;
      const outcome = await this.#deps.store.outcome(pending.child);
      if (outcome === "open") return;
      await this.#complete(index, outcome === "unknown" ? { error: forgotten(pending) } : outcome);
    });
  }

  /** Somebody gave an answer. */
  answered(): void {
    this.#soon(() => this.#lookForAnswers());
  }

  #goesOn(): boolean {
    return !this.#over && !this.#signal.aborted;
  }

  /** Lets go of it: this process does not lead any more, or it is over. */
  #stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#keep);
    this.#session?.cut(new RouseError("CANCELLED", "Another process goes on with the run."));
    this.#wake.resolve();
  }

  #close(row?: OperationRow): void {
    this.#over = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#keep);
    this.#wake.resolve();
    this.#deps.over(this, row);
  }

  /** Waits for one of the entries, without an instance. */
  async #sleep(waiting: readonly number[]): Promise<void> {
    if (this.#pending.size === 0) await this.#readPending();
    const wake = Promise.withResolvers<void>();
    this.#wake = wake;
    if (this.#goesOn() && waiting.every((index) => this.#pending.has(index))) await wake.promise;
    this.#asleep = undefined;
  }

  /** After a start of orders: what is under way may have ended meanwhile. */
  async #readPending(): Promise<void> {
    const { store } = this.#deps;
    this.#order = await store.lastOrder(this.row.id);
    this.#learn(await store.pending(this.row.id));
    await this.#catchUp();
  }

  /** Holds one stream to an instance until it ends. */
  async #attempt(): Promise<SessionEnd> {
    const { store, open, slot } = this.#deps;
    const free = await slot();
    const reading = Promise.withResolvers<void>();
    this.#read = reading.promise;
    try {
      await this.#told;
      if (!this.#goesOn()) return "done";
      const session = new Session(open(this.row), {
        entry: (entry, more) => this.#entry(entry, more),
        waiting: async (indexes) => {
          await this.#appendAll(this.#held.splice(0));
          await this.#told;
          this.#idle(indexes);
        },
        result: ({ response }) => this.#result(response),
        failure: ({ error }) => this.#end({ error: failureOf(error) }),
      });
      this.#session = session;
      try {
        const request = this.#request ?? (await store.request(this.row.id));
        if (request === undefined) {
          this.endedElsewhere("it is not there any more");
          return await session.end();
        }
        const journal = this.#fresh ? [] : await store.journal(this.row.id);
        this.#request = undefined;
        this.#fresh = false;
        this.#learn(journal);
        this.#begin(session, request, journal);
      } catch (thrown) {
        session.cut(RouseError.from(thrown));
      }
      reading.resolve();
      await this.#catchUp();
      const tell = setTimeout(() => this.#tellRunning(), TELL_MS);
      const end = await session.end();
      clearTimeout(tell);
      return end;
    } finally {
      reading.resolve();
      this.#held = [];
      this.#session = undefined;
      clearTimeout(this.#keep);
      free();
    }
  }

  #begin(session: Session, request: Buffer, journal: readonly EntryRow[]): void {
    const { id, method, key, created_at, caller } = this.row;
    if (this.#beganAtMs === 0) this.#beganAtMs = Date.now();
    session.begin(
      {
        run: id,
        method,
        request,
        key,
        createdAtMs: created_at.getTime(),
        recorded: journal.length,
        caller,
        replays: this.#attempts,
        deadlineMs: this.#deadlineMs() ?? 0,
        mostEntryBytes: MOST_ENTRY_BYTES,
        mostEntries: MOST_ENTRIES,
      },
      journal.map(toEntry),
    );
    this.#attempts += 1;
  }

  /** Takes over what the database says. */
  #learn(rows: readonly EntryRow[]): void {
    this.#pending.clear();
    let bytes = 0;
    for (const row of rows) {
      this.#order = Math.max(this.#order, row.ord);
      bytes += row.value.length;
      if (!row.done) this.#await(toEntry(row), row.child);
    }
    this.#size = { entries: rows.length, bytes };
    this.#arm();
  }

  #await(entry: Entry, child: string | null): void {
    const { index, name, untilMs } = entry;
    this.#pending.set(index, { index, kind: 0, name, until_ms: untilMs, child, entry });
    if (child !== null) this.#deps.follow(child, this, index);
  }

  /** Calls and answers may have come while nobody looked. */
  async #catchUp(): Promise<void> {
    for (const { index, child } of this.#pending.values()) if (child !== null) this.childEnded(index);
    await this.#lookForAnswers();
  }

  async #lookForAnswers(): Promise<void> {
    for (const { index, name, entry } of [...this.#pending.values()]) {
      if (entry.kind !== EntryKind.ANSWER) continue;
      const value = await this.#deps.store.answer(this.row.id, name);
      if (value !== undefined) await this.#complete(index, { value });
    }
  }

  async #entry(given: Entry, more: boolean): Promise<void> {
    const { service, method } = this.row;
    const bytes = given.value.length;
    const fault = entryFault(`${service}/${method}`, this.#size, { ...given, bytes });
    if (fault !== undefined) return this.#finish({ error: fault });
    this.#size = { entries: this.#size.entries + 1, bytes: this.#size.bytes + bytes };
    clearTimeout(this.#keep);
    if (more && given.done) {
      this.#held.push(given);
      return;
    }
    await this.#appendAll([...this.#held.splice(0), given]);
  }

  async #appendAll(entries: readonly Entry[]): Promise<void> {
    await Promise.all(entries.map((entry) => this.#append(entry)));
  }

  async #append(given: Entry): Promise<void> {
    const { id } = this.row;
    const entry = this.#placed(given);
    if (given.kind === EntryKind.CALL && !given.done) return this.#call(entry, given.call);
    if (given.kind === EntryKind.KEPT && !given.done) return this.#kept(entry);
    const written = this.#deps.store.append({ run: id, entry });
    await this.#inOrder(written, (session) => {
      if (!entry.done) this.#await(entry, null);
      session?.committed(entry.index);
    });
    if (entry.done) return;
    if (entry.kind === EntryKind.ANSWER) await this.#lookForAnswers();
    this.#arm();
  }

  /** With its place in the order of completions. */
  #placed(given: Entry): Entry {
    return { ...given, call: undefined, order: given.done ? ++this.#order : 0 };
  }

  /** Starts an operation for the function. One that cannot be started completes the entry with why. */
  async #call(entry: Entry, call: ChildCall | undefined): Promise<void> {
    const { store, child } = this.#deps;
    const order = ++this.#order;
    let refused: RouseError | undefined;
    let started: NewOperation | undefined;
    const write = async () => {
      try {
        if (call === undefined) throw new RouseError("INVALID_ARGUMENT", "A call names no method.");
        started = await child(this.row, call);
      } catch (thrown) {
        refused = RouseError.from(thrown);
        if (refused.status === "UNAVAILABLE") throw refused;
        return store.append({ run: this.row.id, entry: failedEntry(entry, refused, order) });
      }
      this.#await(entry, started.id);
      return store.appendCall({ run: this.row.id, entry }, started);
    };
    await this.#inOrder(write(), (session) => {
      session?.committed(entry.index);
      if (refused !== undefined) session?.completed(failedEntry(entry, refused, order));
    });
  }

  /** Tells the function what is kept of its key, which only runs of this key change: this one, just now. */
  async #kept(entry: Entry): Promise<void> {
    const { store } = this.#deps;
    // What it has kept itself before is on disk when that was told.
    await this.#told;
    const value = (await store.kept(this.row, entry.name)) ?? Buffer.alloc(0);
    const done = { ...entry, done: true, value, order: ++this.#order };
    await this.#inOrder(store.append({ run: this.row.id, entry: done }), (session) => {
      session?.committed(entry.index);
      session?.completed(done);
    });
  }

  async #complete(index: number, completion: Completion): Promise<void> {
    await this.#read;
    const pending = this.#pending.get(index);
    if (pending === undefined || !this.#goesOn()) return;
    this.#pending.delete(index);
    const order = ++this.#order;
    const entry: Entry = { ...pending.entry, ...emptyOutcome, ...completion, done: true, order };
    const written = this.#deps.store.complete(this.row.id, index, order, completion).catch((thrown) => {
      this.#pending.set(index, pending);
      throw thrown;
    });
    await this.#inOrder(written, (session) => session?.completed(entry));
    clearTimeout(this.#keep);
    if (this.#asleep?.includes(index) === true) this.#wake.resolve();
  }

  /** Tells the instance of a commit after all those that came before. A commit that found something else there ends the stream. */
  #inOrder(written: Promise<boolean>, tell: (session: Session | undefined) => void): Promise<void> {
    const session = this.#session;
    const before = this.#told;
    const told = (async () => {
      let fine = false;
      try {
        fine = await written;
      } catch (thrown) {
        // Nothing that came after it may count.
        session?.cut(RouseError.from(thrown));
        throw thrown;
      } finally {
        await before;
      }
      if (fine) tell(this.#session === session ? session : undefined);
      else session?.cut(conflict(this.row.id));
    })();
    this.#told = told.catch(() => undefined);
    return told;
  }

  async #result(response: Buffer): Promise<void> {
    const { service, method } = this.row;
    const fault = resultFault(`${service}/${method}`, response.length);
    await this.#end(fault === undefined ? { response } : { error: fault });
  }

  /** The function has ended. What it ended with counts only with all that was recorded before. */
  async #end(outcome: RunEnd["outcome"]): Promise<void> {
    const session = this.#session;
    await this.#told;
    if (session === this.#session && session?.over === false) await this.#finish(outcome);
  }

  async #finish(outcome: RunEnd["outcome"]): Promise<void> {
    await this.#told;
    if (!this.#goesOn()) return;
    const { id } = this.row;
    const session = this.#session;
    const beganAtMs = this.#beganAtMs || Date.now();
    const entries = this.#held.splice(0).map((entry) => this.#placed(entry));
    const end = { run: id, beganAtMs, attempts: this.#attempts, outcome, entries };
    this.#ending = true;
    const row = await this.#deps.store.finish(end).finally(() => {
      this.#ending = false;
    });
    if (this.#over) return;
    if (row === undefined && entries.length > 0 && (await this.#deps.store.outcome(id)) === "open") {
      session?.cut(conflict(id));
      return;
    }
    this.#close(row);
    session?.ended(row === undefined ? "it was ended meanwhile" : undefined);
  }

  /** The function does nothing but wait for these. */
  #idle(indexes: readonly number[]): void {
    clearTimeout(this.#keep);
    if (indexes.length === 0 || !indexes.every((index) => this.#pending.has(index))) return;
    const waiting = indexes.flatMap((index) => this.#pending.get(index) ?? []);
    const timers = waiting.filter(({ entry }) => entry.kind === EntryKind.SLEEP);
    const nextMs = Math.min(...timers.map(({ until_ms }) => until_ms)) - Date.now();
    const onlyLater = timers.length === waiting.length && nextMs > KEEP_MS;
    if (onlyLater) this.#suspend(indexes);
    else this.#keep = setTimeout(() => this.#suspend(indexes), KEEP_MS);
  }

  #suspend(indexes: readonly number[]): void {
    if (!indexes.every((index) => this.#pending.has(index)) || !this.#goesOn()) return;
    this.#asleep = indexes;
    this.#session?.release();
    const wakesAtMs = Math.min(...indexes.map((index) => this.#pending.get(index)?.until_ms || Infinity));
    this.#soon(async () => {
      if (!this.#toldRunning) await this.#deps.store.running(this.row.id, this.#attempts);
      this.#toldRunning = true;
      if (this.#asleep !== undefined)
        await this.#deps.store.sleeping(this.row.id, indexes, finite(wakesAtMs));
    });
  }

  #tellRunning(): void {
    if (!this.#goesOn() || this.#asleep !== undefined) return;
    this.#toldRunning = true;
    this.#soon(() => this.#deps.store.running(this.row.id, this.#attempts));
  }

  #deadlineMs(): number | undefined {
    const { created_at, deadline_ms, start_timeout_ms } = this.row;
    return deadline_ms === 0 ? undefined : created_at.getTime() + deadline_ms + start_timeout_ms;
  }

  /** Sets the timer to the next sleep that ends, or the deadline. */
  #arm(): void {
    clearTimeout(this.#timer);
    if (!this.#goesOn()) return;
    const ends = [...this.#pending.values()]
      .filter(({ entry }) => entry.kind === EntryKind.SLEEP)
      .map(({ until_ms }) => until_ms);
    const nextMs = Math.min(...ends, this.#deadlineMs() ?? Infinity);
    if (nextMs === Infinity) return;
    const waitMs = Math.min(Math.max(0, nextMs - Date.now()), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.#soon(() => this.#ring()), waitMs);
  }

  async #ring(): Promise<void> {
    const deadlineMs = this.#deadlineMs();
    if (deadlineMs !== undefined && Date.now() >= deadlineMs) return this.#finish({ error: late(this.row) });
    try {
      const now = Date.now();
      for (const { index, entry, until_ms } of [...this.#pending.values()].sort(
        (a, b) => a.until_ms - b.until_ms || a.index - b.index,
      )) {
        if (entry.kind === EntryKind.SLEEP && until_ms <= now)
          await this.#complete(index, { value: Buffer.alloc(0) });
      }
    } finally {
      this.#arm();
    }
  }

  /** Work that nobody waits for; while the database is away it is tried again. */
  #soon(work: () => Promise<void>): void {
    const attempt = () => {
      if (!this.#goesOn()) return;
      work().catch((err: unknown) => {
        this.#deps.log.warn({ err, run: this.row.id }, "a run waits for the database");
        setTimeout(attempt, AGAIN_MS).unref();
      });
    };
    attempt();
  }
}

const emptyOutcome = { value: Buffer.alloc(0), error: undefined };

function finite(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined;
}

function failedEntry(entry: Entry, error: RouseError, order: number): Entry {
  return { ...entry, done: true, order, value: Buffer.alloc(0), error: JSON.parse(errorJson(error)) };
}

function failureOf(
  error: { code: number; message: string; reason: string; metadata: Record<string, string> } | undefined,
): RouseError {
  const { code = 2, message = "The function failed.", reason = "", metadata = {} } = error ?? {};
  return new RouseError(statusName(code) ?? "UNKNOWN", message, {
    ...(reason !== "" && { reason }),
    metadata,
  });
}

function forgotten({ name, child }: Pick<Pending, "name" | "child">) {
  return {
    code: 5,
    message: `The operation ${child} of ${name} is not there any more: its time was over before this run looked.`,
    reason: "OPERATION_UNKNOWN",
    metadata: {},
  };
}

function conflict(id: string): RouseError {
  return new RouseError(
    "ABORTED",
    `Run ${id} went on elsewhere meanwhile; it is taken up again with what was recorded there.`,
    { reason: "RUN_INTERRUPTED" },
  );
}

function late({ service, method, deadline_ms }: RunRow): RouseError {
  return new RouseError(
    "DEADLINE_EXCEEDED",
    `The durable run of ${service}/${method} was not done by its deadline of ${deadline_ms} ms.`,
    { reason: "DEADLINE_EXCEEDED" },
  );
}
