import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient, ConsulResponse } from "./consul.ts";
import { watchConsulLeader } from "./consul-leader.ts";

export interface BlockingQuery {
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Statuses beside 2xx that are answers; 404 for keys. */
  readonly accept?: readonly number[];
  /**
   * Called with each answer whose index moved.
   *
   * @param fresh - True for the first answer and after Consul was away or its index fell: compare by value then, since the
   *   indexes of single keys may be those of another Consul.
   */
  readonly onAnswer: (response: ConsulResponse, fresh: boolean) => void;
  /**
   * When it leaves the processors to others for {@link REST_MS}, for what changes often and is followed by many; default: never. Only
   * where the same client has queries that do not rest: a snapshot that is put back just then is heard of by them alone.
   *
   * - `before` an answer is handled, for nobody waits for what follows from it; not so what is read from the start.
   * - `after` it, before the next question.
   */
  readonly rest?: "before" | "after";
  /** Called when a query fails or its answer cannot be read (onAnswer threw), and with undefined when all is well again. */
  readonly onTrouble?: (error: RouseError | undefined) => void;
}

/** Consul holds a query this long when nothing changes, plus up to a sixteenth of it. */
const WAIT_SECONDS = 120;
const TIMEOUT_MS = WAIT_SECONDS * 1000 * (1 + 1 / 16) + 15_000;
/**
 * How a read from the start is asked: a server that has just been elected answers ordinary reads before it has replayed its
 * log, and an empty answer would take every service out of the mesh.
 */
const CONSISTENT = { consistent: "" };
/** Back-off after failures, ms. The first is short: a Consul on the same host is often back at once. */
const FIRST_BACKOFF_MS = 50;
const MOST_BACKOFF_MS = 1_000;
/** Answers per second that one query may take in the long run, and at once. */
const RATE = 100;
const BURST = 200;
/**
 * The next question of a query that rests is asked after so long, ms: to ask and to be told to wait takes this process and Consul
 * processors that Envoys and callers need just then, and all who follow a key do it at once. What changes meanwhile is in the next
 * answer.
 */
const REST_MS = 10;
/** Share of a core that handling may take in the long run, and at once (ms): news that somebody waits for is not put off. */
const HANDLING_SHARE = 0.25;
const HANDLING_BURST_MS = 1_000;

/** So many queries that were lost with Consul's leader are asked anew at once, and the others so far apart, ms. */
const AT_ONCE = 100;
const EACH_MS = 0.5;

/** Makes a query read from the start. @param isLost Whether what it has asked will not be answered. */
type Again = (isLost: boolean) => void;

/** The queries of a client. */
interface Followers {
  readonly all: Set<Again>;
  /** Ends the watch of Consul's leader, which the first one began. */
  ended: AbortController;
}
const followers = new WeakMap<ConsulClient, Followers>();

/**
 * Follows one blocking query until `signal` aborts.
 *
 * Rules from https://developer.hashicorp.com/consul/api-docs/features/blocking: the index goes back to 0 when it falls or
 * Consul was away, is never below 1, failures back off with jitter, and the rate is limited. It goes back to 0, too, when an
 * answer with the same index comes early: so Consul ends all queries when a snapshot is put back, and a query with the index of
 * before would then wait in vain (seen with 1.22). One that was not asked at that moment does not hear of it, so whoever does tells the
 * client's other queries. So does a change of Consul's leader, which may have taken the queries with it.
 */
export async function followQuery(
  consul: ConsulClient,
  query: BlockingQuery,
  signal: AbortSignal,
): Promise<void> {
  let index = 0;
  let asking = new AbortController();
  const again = (isLost: boolean) => {
    // It reads from the start, unless that is lost as well.
    if (index === 0 && !isLost) return;
    index = 0;
    asking.abort();
  };
  const onAbort = () => asking.abort();
  const leave = enter(consul, again);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await follow();
  } finally {
    leave();
    signal.removeEventListener("abort", onAbort);
  }

  async function follow(): Promise<void> {
    let failures = 0;
    let tokens = BURST;
    let handlingMs = HANDLING_BURST_MS;
    let refilledAt = performance.now();
    while (!signal.aborted) {
      let response: ConsulResponse;
      const askedAt = performance.now();
      const asked = index;
      asking = new AbortController();
      try {
        response = await consul.request("GET", query.path, {
          query: { ...query.query, ...(asked > 0 ? { index: asked, wait: `${WAIT_SECONDS}s` } : CONSISTENT) },
          signal: asking.signal,
          repeat: false,
          timeoutMs: asked > 0 ? TIMEOUT_MS : 30_000,
          ...(query.accept === undefined ? {} : { accept: query.accept }),
        });
      } catch (thrown) {
        if (signal.aborted) return;
        if (asking.signal.aborted) continue;
        const error = RouseError.from(thrown);
        if (error.status === "CANCELLED") return;
        query.onTrouble?.(error);
        index = 0;
        const most = Math.min(MOST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures++);
        await pause(most * (0.5 + Math.random() / 2), signal);
        continue;
      }
      if (asked !== index) continue;
      const answeredAt = performance.now();
      const unasked = response.index === asked && answeredAt - askedAt < (WAIT_SECONDS * 1000) / 2;
      if (response.index < asked || unasked) {
        tellAll(consul, false);
        await pause(FIRST_BACKOFF_MS, signal);
        continue;
      }
      if (query.rest === "before" && asked > 0) await pause(REST_MS, signal);
      if (signal.aborted) return;
      if (asked !== index) continue;
      const startedAt = performance.now();
      try {
        if (response.index !== asked || asked === 0) query.onAnswer(response, asked === 0);
      } catch (cause) {
        query.onTrouble?.(unreadable(consul, query, cause));
        index = 0;
        failures++;
        await pause(MOST_BACKOFF_MS, signal);
        continue;
      }
      if (failures > 0) {
        failures = 0;
        query.onTrouble?.(undefined);
      }
      index = Math.max(1, response.index);
      // What was written of this answer leaves first, and counts as handling.
      await setImmediate();

      const now = performance.now();
      const elapsedMs = now - refilledAt;
      refilledAt = now;
      tokens = Math.min(BURST, tokens + (elapsedMs / 1000) * RATE) - 1;
      handlingMs = Math.min(HANDLING_BURST_MS, handlingMs + elapsedMs * HANDLING_SHARE) - (now - startedAt);
      const limits = Math.max(
        handlingMs < 0 ? -handlingMs / HANDLING_SHARE : 0,
        tokens < 0 ? 1000 / RATE : 0,
      );
      const rest = Math.max(query.rest === "after" ? REST_MS : 0, limits);
      if (rest > 0) await pause(rest, signal);
    }
  }
}

/** Adds a query to those of its client. @returns what takes it out. */
function enter(consul: ConsulClient, again: Again): () => void {
  const known = followers.get(consul) ?? { all: new Set(), ended: new AbortController() };
  followers.set(consul, known);
  known.all.add(again);
  if (known.all.size === 1) {
    known.ended = new AbortController();
    void watchConsulLeader(consul, () => tellAll(consul, true), known.ended.signal);
  }
  return () => {
    known.all.delete(again);
    if (known.all.size === 0) known.ended.abort();
  };
}

function tellAll(consul: ConsulClient, isLost: boolean): void {
  const all = followers.get(consul)?.all ?? new Set<Again>();
  let nth = 0;
  for (const again of [...all]) {
    const afterMs = isLost ? spreadMs(nth++, all.size, Math.random()) : 0;
    if (afterMs === 0) again(isLost);
    else
      setTimeout(() => {
        if (all.has(again)) again(isLost);
      }, afterMs).unref();
  }
}

/**
 * After how long a lost query is asked anew, ms. The first {@link AT_ONCE} are at once, the others {@link EACH_MS} apart in the mean: a
 * leader that has just been elected would be slow for everybody. Pure.
 *
 * @param random 0 to 1: those of other processes come in between.
 */
export function spreadMs(nth: number, of: number, random: number): number {
  return nth < AT_ONCE ? 0 : Math.ceil(random * (of - AT_ONCE) * EACH_MS);
}

/**
 * Calls a listener from within a query. What a listener throws is a fault of the program, not of Consul: it goes to the process
 * as an uncaught exception.
 */
export function notify(listener: () => void): void {
  try {
    listener();
  } catch (thrown) {
    queueMicrotask(() => {
      throw thrown;
    });
  }
}

function unreadable(consul: ConsulClient, query: BlockingQuery, cause: unknown): RouseError {
  return new RouseError(
    "INTERNAL",
    `Consul at ${consul.address} answered GET ${query.path} with what Rouse cannot read: ${(cause as Error).message}. Is it a Consul of version 1.22?`,
    { reason: "CONSUL_ANSWER_INVALID", cause },
  );
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
