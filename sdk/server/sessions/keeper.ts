import { setTimeout as pause } from "node:timers/promises";
import type { FindResponse } from "#proto/rouse/session/v1/session.ts";
import type { SessionTimes } from "../../definition.ts";
import { RouseError } from "../../errors.ts";
import type { ServerLog, SessionHooks } from "../types.ts";
import { askPeers, FIND_MS } from "./find.ts";
import type { Peer } from "./peers.ts";
import { chosenFor } from "./rendezvous.ts";
import { type Session, SessionTable } from "./table.ts";

/** What the mesh says of peers is waited for so long, ms: the first call of a wake must not wait for a mesh that is away. */
const PEERS_MS = 1_000;
/** Where a session lives is known for so long, ms. */
const KNOWN_MS = 5_000;
/** A call is passed on by so many instances at most. */
const MOST_HOPS = 3;
/** Sessions that are handed over at the same time. */
const PUSHED_TOGETHER = 8;
const PUSH_PAUSE_MS = 250;

/** The others, as the keeper needs them. */
export interface PeerSet {
  readonly known: Promise<void>;
  all(): readonly Peer[];
  has(peer: Peer): boolean;
  report(): void;
  close(): void;
}

export interface KeeperOptions<State> {
  readonly times: SessionTimes;
  readonly hooks: SessionHooks<State>;
  readonly state: () => State;
  readonly log: ServerLog;
  readonly ownId: () => string;
}

/** Where a call goes: here, or to the instance that has its session. */
export type Place = { readonly session: Session } | { readonly peer: Peer };

/**
 * Keeps the sessions of this instance, and finds those of others.
 *
 * Envoy sends the calls of a key to one instance as long as no instance comes or goes; then some keys are another one's by its
 * hash. So whoever gets the first call of a key that does not live here asks the others: if one has it, the call is passed on
 * to that; if that one retires and the service can hand sessions over, it is fetched; else it begins here.
 */
export class SessionKeeper<State> {
  readonly table: SessionTable;
  readonly #options: KeeperOptions<State>;
  #passing = 0;
  readonly #claims = new Map<string, Promise<Peer | undefined>>();
  /** Given away, until when that is told, ms of `performance.now()`. */
  readonly #given = new Map<string, number>();
  /** On their way here from a peer. */
  readonly #fetching = new Set<string>();
  readonly #elsewhere = new Map<string, { readonly peer: Peer; readonly untilMs: number }>();
  readonly #sweeper: NodeJS.Timeout;
  #peers: PeerSet | undefined;
  #retiring = false;
  /** The process ends, whatever the mesh says. */
  #ending = false;
  #pushing: Promise<void> | undefined;
  #closed = false;

  constructor(options: KeeperOptions<State>) {
    this.#options = options;
    this.table = new SessionTable(options.times.idleMs, (key) => void this.#tellEnded(key));
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(1_000, options.times.idleMs / 2)).unref();
  }

  /** Without peers (no mesh) all sessions live here. */
  meet(peers: PeerSet): void {
    this.#peers = peers;
  }

  /** Sessions that live here, and calls that are passed on: they would end with this instance. */
  get live(): number {
    this.table.sweep(performance.now());
    return this.table.size + this.#passing;
  }

  get movable(): boolean {
    return this.#options.hooks.handOver !== undefined;
  }

  get retiring(): boolean {
    return this.#retiring;
  }

  /** The session when it lives here and takes calls now: the way that nearly all calls go. */
  here(key: string): Session | undefined {
    const session = this.table.get(key, performance.now());
    return session === undefined || session.leaving !== undefined ? undefined : session;
  }

  /** Finds the call's place. @param hops How many instances passed it on. */
  async place(key: string, hops: number): Promise<Place> {
    // Who passed it on knew better, or as little.
    if (hops > 0) this.#elsewhere.delete(key);
    for (;;) {
      const session = this.table.get(key, performance.now());
      if (session?.leaving === undefined && session !== undefined) {
        if (hops === 0) session.guest = false;
        return { session };
      }
      if (session?.leaving !== undefined) await session.leaving;
      else if (hops >= MOST_HOPS) return { session: this.#begin(key) };
      else {
        const peer = await this.#owner(key);
        if (peer !== undefined) return { peer };
        // Another call of the key may have come first, or it was fetched.
        if (this.table.get(key, performance.now()) === undefined) return { session: this.#begin(key) };
      }
    }
  }

  /** A call is passed on. @returns to be called when it has ended; twice is as once. */
  passes(): () => void {
    let open = true;
    this.#passing += 1;
    return () => {
      if (open) this.#passing -= 1;
      open = false;
    };
  }

  /** The peer has it no more, or is gone: the next call asks again. */
  forget(key: string): void {
    this.#elsewhere.delete(key);
  }

  /** For Find of a peer. */
  find(key: string, askerId: string): FindResponse {
    const now = performance.now();
    const session = this.table.get(key, now);
    const there = session !== undefined || this.#fetching.has(key);
    const movable = session !== undefined && this.movable && (this.#retiring || session.guest);
    const claimed = !there && !this.#retiring && this.#claims.has(key) && this.#options.ownId() < askerId;
    return { there, movable, claimed, moved: now < (this.#given.get(key) ?? 0) };
  }

  /** Gives the session away. @throws RouseError NOT_FOUND SESSION_ELSEWHERE, FAILED_PRECONDITION SESSION_STAYS. */
  async handOver(key: string): Promise<Uint8Array> {
    const session = this.table.get(key, performance.now());
    if (session === undefined || session.leaving !== undefined)
      throw new RouseError("NOT_FOUND", `The session does not live at ${this.#options.ownId()}.`, {
        reason: "SESSION_ELSEWHERE",
      });
    return this.#leave(session, async (state) => state);
  }

  /** Takes a session that a peer pushes. @throws what the service's hook throws; FAILED_PRECONDITION SESSION_REFUSED. */
  async takeOver(key: string, state: Uint8Array): Promise<void> {
    if (this.#retiring || this.#closed)
      throw new RouseError("FAILED_PRECONDITION", "This instance retires and takes no sessions.", {
        reason: "SESSION_REFUSED",
      });
    await this.#fetched(key, state);
    this.table.begin(key, performance.now(), true);
    this.#elsewhere.delete(key);
  }

  /** The instance is to end: sessions that can be handed over are. */
  retire(): void {
    if (this.#retiring) return;
    this.#retiring = true;
    this.#options.log.info({ sessions: this.table.size, movable: this.movable }, "This instance retires");
    if (this.movable) void this.push();
  }

  /** The instance is not to end after all. */
  stay(): void {
    if (!this.#ending) this.#retiring = false;
  }

  /** The process ends: hands over what it can. Resolves when there is nothing left, or nobody to take it. */
  async end(): Promise<void> {
    this.#ending = true;
    this.#retiring = true;
    while (this.movable && this.table.size > 0 && !this.#closed) {
      await this.push();
      if (this.table.size === 0 || this.#staying().length === 0) return;
      await pause(PUSH_PAUSE_MS, undefined, { ref: false });
    }
  }

  /** Hands over what has no call open, until nothing is left or it stays after all. Resolves after the first round. */
  push(): Promise<void> {
    this.#pushing ??= this.#pushAll().finally(() => {
      this.#pushing = undefined;
      if (this.table.size > 0 && this.#retiring)
        setTimeout(() => this.#retiring && !this.#closed && void this.push(), PUSH_PAUSE_MS).unref();
    });
    return this.#pushing;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#peers?.report();
    this.#peers?.close();
  }

  #begin(key: string): Session {
    return this.table.begin(key, performance.now());
  }

  /** Which peer has it; undefined: none, or it was fetched from the one that had it. */
  async #owner(key: string): Promise<Peer | undefined> {
    const known = this.#elsewhere.get(key);
    if (known !== undefined && performance.now() < known.untilMs && this.#peers?.has(known.peer) === true)
      return known.peer;
    let claim = this.#claims.get(key);
    if (claim === undefined) {
      claim = this.#claim(key).finally(() => this.#claims.delete(key));
      this.#claims.set(key, claim);
    }
    return claim;
  }

  async #claim(key: string, again = MOST_HOPS): Promise<Peer | undefined> {
    const peers = this.#peers;
    if (peers === undefined) return undefined;
    await Promise.race([peers.known, new Promise((resolve) => setTimeout(resolve, PEERS_MS).unref())]);
    const { found, answered, moved } = await askPeers(peers.all(), key, this.#options.ownId());
    if (found !== undefined) {
      if (!found.movable || this.#retiring) return this.#note(key, found.peer);
      const fetched = await this.#fetch(found.peer, key);
      if (fetched === "here") return undefined;
      if (fetched === "there" || again === 0) return this.#note(key, found.peer);
      // It was on its way to somebody else.
      return this.#claim(key, again - 1);
    }
    if (moved && again > 0) return this.#claim(key, again - 1);
    const staying = answered.filter(({ retiring }) => !retiring);
    // Who retires begins no sessions while there is somebody else.
    if (this.#retiring) return chosenFor(key, staying);
    // It may have been pushed here meanwhile.
    if (this.table.get(key, performance.now()) === undefined) this.#begin(key);
    return undefined;
  }

  #note(key: string, peer: Peer): Peer {
    this.#elsewhere.set(key, { peer, untilMs: performance.now() + KNOWN_MS });
    return peer;
  }

  async #fetch(peer: Peer, key: string): Promise<"here" | "there" | "gone"> {
    const { times, log } = this.#options;
    this.#fetching.add(key);
    try {
      const { state } = await peer.handOver(key, 2 * times.handOverMs + FIND_MS);
      await this.#fetched(key, state);
      this.#begin(key);
      return "here";
    } catch (error) {
      const { reason, status } = RouseError.from(error);
      if (reason === "SESSION_ELSEWHERE" || this.#peers?.has(peer) !== true) return "gone";
      if (reason !== "SESSION_STAYS")
        log.error({ err: error, from: peer.id }, "A session could not be fetched");
      return status === "UNAVAILABLE" ? "gone" : "there";
    } finally {
      this.#fetching.delete(key);
    }
  }

  #staying(): readonly Peer[] {
    return this.#peers?.all().filter(({ retiring }) => !retiring) ?? [];
  }

  async #fetched(key: string, bytes: Uint8Array): Promise<void> {
    const { hooks, state } = this.#options;
    await hooks.takeOver?.(key, bytes, state());
  }

  /** Holds the session's calls, lets the open ones end, and gives it away; it stays when that fails. */
  async #leave<T>(session: Session, give: (state: Uint8Array) => Promise<T>): Promise<T> {
    const { times, hooks, state } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    session.leaving = promise;
    try {
      if (!(await quiet(session, times.handOverMs)) || hooks.handOver === undefined)
        throw new RouseError("FAILED_PRECONDITION", "The session stays: it has calls that last.", {
          reason: "SESSION_STAYS",
        });
      const bytes = await within(Promise.resolve(hooks.handOver(session.key, state())), times.handOverMs);
      const given = await give(bytes);
      this.table.remove(session);
      this.#given.set(session.key, performance.now() + KNOWN_MS);
      return given;
    } finally {
      session.leaving = undefined;
      resolve();
    }
  }

  async #pushAll(): Promise<void> {
    const waiting = this.table.all().filter(({ open, leaving }) => open === 0 && leaving === undefined);
    const worker = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await this.#pushOne(next);
    };
    await Promise.all(Array.from({ length: PUSHED_TOGETHER }, worker));
    this.#peers?.report();
  }

  async #pushOne(session: Session): Promise<void> {
    const { times, log } = this.#options;
    const peer = chosenFor(session.key, this.#staying());
    // It may have been fetched, or ended, since it was listed.
    const lives = this.table.get(session.key, performance.now()) === session;
    if (peer === undefined || !lives || session.leaving !== undefined) return;
    try {
      await this.#leave(session, (state) => peer.takeOver(session.key, state, times.handOverMs));
      this.#note(session.key, peer);
    } catch (error) {
      const { reason } = RouseError.from(error);
      if (reason !== "SESSION_STAYS") log.error({ err: error, to: peer.id }, "A session was not taken over");
    }
  }

  #sweep(): void {
    const now = performance.now();
    this.table.sweep(now);
    for (const [key, { untilMs }] of this.#elsewhere) if (now >= untilMs) this.#elsewhere.delete(key);
    for (const [key, untilMs] of this.#given) if (now >= untilMs) this.#given.delete(key);
  }

  async #tellEnded(key: string): Promise<void> {
    const { hooks, state, log } = this.#options;
    try {
      await hooks.ended?.(key, state());
    } catch (error) {
      log.error({ err: error }, "The hook for the end of a session failed");
    }
  }
}

/** Resolves when no call is open: false when that takes too long. */
function quiet(session: Session, ms: number): Promise<boolean> {
  if (session.open === 0) return Promise.resolve(true);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    session.quiet = () => {
      clearTimeout(timer);
      resolve(true);
    };
  });
}

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () =>
      reject(
        new RouseError("DEADLINE_EXCEEDED", `The session was not handed over within ${ms} ms.`, {
          reason: "SESSION_HAND_OVER_LATE",
        }),
      );
    const timer = setTimeout(late, ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
