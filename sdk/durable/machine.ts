import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as macrotask } from "node:timers/promises";
import { errorOf } from "../error-record.ts";
import type { RouseError } from "../errors.ts";
import type { Entry, EntryKind } from "./entry.ts";
import { differs, ended, nested, notDeterministic, over, stuck } from "./errors.ts";
import { isAnsweredAtOnce } from "./journal.ts";
import { News, Unflushed } from "./news.ts";

/** Who keeps the journal: orders, or the memory of a test. */
export interface Keeper {
  /**
   * Takes an entry; entries are committed in the order in which they are sent.
   *
   * @param last The function has ended with it: its outcome comes next, and is good only with this.
   */
  send(entry: Entry, last: boolean): void;
  /** The function does nothing but wait for these entries. */
  waiting(indexes: readonly number[]): void;
}

/** How a run of the function ended. */
export type Outcome = { readonly response: unknown } | { readonly error: unknown };

/** What an operation of the function is, as the journal identifies it. */
export interface Asked {
  readonly kind: EntryKind;
  readonly name: string;
  /** Of what it was asked with, such as a request; empty: not compared. */
  readonly digest?: Uint8Array;
}

interface Pending {
  readonly index: number;
  readonly asked: Asked;
  readonly read: (entry: Entry) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** A replay that does not get on for so long has taken another path, ms. */
const STUCK_MS = 10_000;

/**
 * Runs a function over its journal. Each thing that the function asks for has an index, in the order in which it asks. What is
 * recorded is answered from the journal, in the order in which it was completed at first, one answer at a time: the next comes when
 * the function can do nothing more without it. So whatever the function makes of its answers, races included, it makes again.
 * What is not recorded begins once the journal is used up: then, and only then, is anything done to the world.
 */
export class Machine {
  readonly #recorded: ReadonlyMap<number, Entry>;
  /** What is still to be answered from the journal, in order; then what is completed as it comes. */
  readonly #answers: Entry[];
  readonly #keeper: Keeper;
  readonly #stuckMs: number;
  readonly #ahead: boolean;
  readonly #pending = new Map<number, Pending>();
  /** Begun by the instance itself, and not committed yet. */
  readonly #sent = new Map<number, Entry>();
  /** Of #sent, what the function has had its answer to already. */
  readonly #unflushed = new Unflushed();
  /** Of #unflushed, what is not sent yet: the function may end with it. The first #given of them have been answered. */
  readonly #held: Entry[] = [];
  #given = 0;
  /** What the keeper completes, and has not. */
  #remotes = 0;
  readonly #news = new News();
  readonly #controller = new AbortController();
  readonly #inside = new AsyncLocalStorage<string>();
  readonly #outcome = Promise.withResolvers<Outcome>();
  /** What begins when the journal is used up. */
  #deferred: { readonly atOnce: boolean; readonly begin: () => void }[] = [];
  #replaying: boolean;
  #replays: number;
  #next = 0;
  #steps = 0;
  /** Nothing that the function does counts any more. */
  #settled = false;
  /** The function has ended by itself. */
  #ended = false;
  #announced = false;

  /**
   * @param recorded The journal, in any order.
   * @param stuckMs How long a replay may wait for something that is not in its journal, ms.
   * @param ahead The function may go on from a step before that is on disk. Whatever it asks for then begins when it is.
   */
  constructor(recorded: readonly Entry[], keeper: Keeper, { stuckMs = STUCK_MS, ahead = false } = {}) {
    this.#recorded = new Map(recorded.map((entry) => [entry.index, entry]));
    this.#answers = recorded
      .filter((entry) => entry.done && !isAnsweredAtOnce(entry))
      .sort((a, b) => a.order - b.order);
    this.#replays = this.#answers.length;
    this.#replaying = recorded.length > 0;
    this.#keeper = keeper;
    this.#stuckMs = stuckMs;
    this.#ahead = ahead;
  }

  /** Aborts when the run is cancelled or let go. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The function only repeats what it did before. */
  get replaying(): boolean {
    return this.#replaying;
  }

  /** Steps that the instance is doing just now. */
  get steps(): number {
    return this.#steps;
  }

  /** Runs the function. Does not resolve when the run is let go while it waits. */
  run(work: () => Promise<unknown>): Promise<Outcome> {
    const settle = (outcome: Outcome) => {
      if (this.#settled) return;
      const left = this.#recorded.get(this.#next);
      // What its answer rests on is recorded with it.
      if (left === undefined) for (const { atOnce, begin } of this.#deferred) if (atOnce) begin();
      this.#ended = true;
      this.#end(left === undefined ? outcome : { error: ended(left, outcome) });
    };
    // The function's first lines run as its later ones do: not before the caller is done here.
    void Promise.resolve()
      .then(work)
      .then(
        (response) => settle({ response }),
        (error: unknown) => settle({ error }),
      );
    void this.#deliver();
    return this.#outcome.promise;
  }

  /** Entries that were sent are on disk. */
  committed(indexes: readonly number[]): void {
    for (const index of indexes) {
      const entry = this.#sent.get(index);
      if (entry === undefined) continue;
      this.#sent.delete(index);
      if (!this.#unflushed.delete(index)) this.#answers.push(entry);
    }
    this.#news.tell();
  }

  /** Something that the function waits for has come. */
  completed(entry: Entry): void {
    this.#answers.push(entry);
    this.#news.tell();
  }

  /** The run is over here, whatever the function does: everything that it waits for and asks for fails with that error. */
  cancel(error: RouseError): void {
    this.#controller.abort(error);
    if (this.#settled) return;
    this.#end({ error });
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  /** The run goes on elsewhere or later: the function is left where it waits. */
  letGo(error: RouseError): void {
    this.#settled = true;
    this.#controller.abort(error);
    this.#news.tell();
  }

  /**
   * Something that has its answer at once, such as the time.
   *
   * @param make Makes the entry when it is not recorded.
   */
  atOnce<T>(asked: Asked, make: (index: number) => Entry, read: (entry: Entry) => T): T {
    const index = this.#ask(asked);
    const recorded = this.#recorded.get(index);
    if (recorded !== undefined) return read(recorded);
    const entry = make(index);
    this.#unflushed.add(index);
    this.#begin(() => this.#send(entry), true);
    return read(entry);
  }

  /** Whether the journal has this next: then it is used up. Else the function goes on as if it had not asked. */
  marked(asked: Asked, make: (index: number) => Entry): boolean {
    const recorded = this.#recorded.get(this.#next);
    const matches = recorded?.kind === asked.kind && recorded.name === asked.name;
    const beyond = [...this.#recorded.keys()].every((index) => index < this.#next);
    if (!matches && !beyond) return false;
    return this.atOnce(asked, make, () => true);
  }

  /** Something that the instance does: its entry is sent when it is done. */
  step<T>(asked: Asked, make: (index: number) => Promise<Entry>, read: (entry: Entry) => T): Promise<T> {
    return this.#wait(asked, read, (index) => {
      this.#steps += 1;
      const begin = async () => {
        await this.#unflushed.untilWritten();
        if (this.#settled) return;
        const entry = await this.#inside.run(asked.name, make, index);
        this.#steps -= 1;
        if (!this.#settled) this.#done(entry);
      };
      // Its errors are in the entry: what is thrown here is none of the step's.
      begin().catch((error: unknown) => this.#end({ error }));
    });
  }

  /** Something that the keeper completes: its entry is sent at the beginning. */
  remote<T>(asked: Asked, make: (index: number) => Entry, read: (entry: Entry) => T): Promise<T> {
    this.#remotes += 1;
    const answered = this.#wait(asked, read, (index) => void this.#sendRemote(make(index)));
    const one = () => {
      this.#remotes -= 1;
    };
    answered.then(one, one);
    return answered;
  }

  async #sendRemote(entry: Entry): Promise<void> {
    // It may rest on them.
    const written = this.#unflushed.untilWritten();
    if (written !== undefined) await written;
    if (!this.#settled) this.#keeper.send(entry, false);
  }

  /** A step of the instance's own is done. */
  #done(entry: Entry): void {
    // What orders completes meanwhile would have its place in the order of completions before this one, and the answer after it.
    const inOrder = this.#remotes === 0 && this.#sent.size === this.#unflushed.size;
    if (!this.#ahead || !inOrder) {
      this.#send(entry);
      return;
    }
    this.#unflushed.add(entry.index);
    this.#sent.set(entry.index, entry);
    this.#held.push(entry);
    this.#answers.push(entry);
    this.#news.tell();
  }

  /** Sends the first of what is held. */
  #flush(count = this.#held.length, last = false): void {
    this.#given = 0;
    for (const entry of this.#held.splice(0, count)) this.#keeper.send(entry, last);
  }

  #wait<T>(asked: Asked, read: (entry: Entry) => T, begin: (index: number) => void): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    // One that nobody awaits must not end the process.
    promise.catch(() => undefined);
    let index: number;
    try {
      index = this.#ask(asked);
    } catch (error) {
      reject(error);
      return promise as Promise<T>;
    }
    this.#pending.set(index, { index, asked, read, resolve, reject });
    if (!this.#recorded.has(index)) this.#begin(() => begin(index));
    this.#news.tell();
    return promise as Promise<T>;
  }

  /** The next index, checked against the journal. */
  #ask(asked: Asked): number {
    const step = this.#inside.getStore();
    if (step !== undefined) throw nested(step, asked);
    if (this.#ended) throw over(asked);
    if (this.#controller.signal.aborted) throw this.#controller.signal.reason;
    const index = this.#next;
    const recorded = this.#recorded.get(index);
    const difference = recorded && differs(recorded, asked);
    if (recorded !== undefined && difference !== undefined) {
      const error = notDeterministic(index, difference.recorded, difference.now);
      this.#end({ error });
      throw error;
    }
    this.#next += 1;
    this.#announced = false;
    return index;
  }

  #begin(begin: () => void, atOnce = false): void {
    if (this.#replaying) this.#deferred.push({ atOnce, begin });
    else begin();
  }

  #send(entry: Entry): void {
    this.#flush();
    this.#sent.set(entry.index, entry);
    this.#keeper.send(entry, false);
  }

  async #deliver(): Promise<void> {
    for (;;) {
      // All that follows from the last answer comes first.
      await macrotask();
      if (this.#settled) return;
      this.#flush(this.#given);
      if (this.#replaying && this.#replays === 0) this.#goLive();
      const entry = this.#answers[0];
      if (entry === undefined) {
        this.#announce();
        await this.#news.next();
        continue;
      }
      const pending = this.#pending.get(entry.index);
      if (pending === undefined) {
        if (await this.#asked(entry)) continue;
        this.#end({
          error: stuck(
            entry,
            this.#next,
            [...this.#pending.values()].map(({ asked }) => asked),
          ),
        });
        return;
      }
      this.#answers.shift();
      if (this.#replays > 0) this.#replays -= 1;
      this.#pending.delete(entry.index);
      this.#announced = false;
      if (this.#held[this.#given] === entry) this.#given += 1;
      answer(pending, entry);
    }
  }

  /** The journal is used up: what the function has asked for beyond it begins, in that order. */
  #goLive(): void {
    this.#replaying = false;
    const begun = this.#deferred;
    this.#deferred = [];
    for (const { begin } of begun) begin();
  }

  #announce(): void {
    const busy = this.#steps > 0 || this.#sent.size > 0;
    if (busy || this.#announced || this.#replaying || this.#pending.size === 0) return;
    this.#announced = true;
    this.#keeper.waiting([...this.#pending.keys()]);
  }

  /** Waits until the function asks for what the journal has next. */
  async #asked({ index }: Entry): Promise<boolean> {
    const endMs = performance.now() + this.#stuckMs;
    while (!this.#pending.has(index) && !this.#settled) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) return false;
      await this.#news.next(leftMs);
    }
    return true;
  }

  #end(outcome: Outcome): void {
    if (this.#settled) return;
    if (!this.#controller.signal.aborted) this.#flush(this.#held.length, true);
    this.#settled = true;
    this.#outcome.resolve(outcome);
    this.#news.tell();
  }
}

function answer({ read, resolve, reject }: Pending, entry: Entry): void {
  try {
    if (entry.error !== undefined) reject(errorOf(entry.error));
    else resolve(read(entry));
  } catch (error) {
    reject(error);
  }
}
