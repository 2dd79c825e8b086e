import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { z } from "zod";
import { RouseError } from "../sdk/errors.ts";
import { announce, checkId, refresh, withdraw } from "./announce.ts";
import { followQuery, notify } from "./blocking.ts";
import type { ConsulClient } from "./consul.ts";
import { splitAddress } from "./instances.ts";
import { decodeValue, type KvItem, kvListSchema, kvPath, readKey, writeKey } from "./kv.ts";

/** Who holds the lock. */
export interface Leader {
  readonly id: string;
  /** "host:port" of the leader's API. */
  readonly address: string;
  /** Grows with each new holder, so that who receives commands can refuse those of a former one: the lock's LockIndex and its base. */
  readonly token: number;
  /** Consul session that holds the lock. */
  readonly session: string;
}

export interface CampaignOptions {
  readonly key: string;
  /** Name of the candidate, stable over restarts and different from all others. */
  readonly id: string;
  readonly address: string;
  /** A leader that is silent for this long is replaced; ms, default 4,000. */
  readonly ttlMs?: number;
  /** What else the candidate's Consul service says of it. */
  readonly meta?: Readonly<Record<string, string>>;
  readonly onElected?: (leadership: Leader) => void;
  /** The lock is somebody else's, or nobody's. Not called while Consul is merely away: tokens fence what is done then. */
  readonly onLost?: () => void;
  readonly log?: Logger;
}

export interface Campaign {
  /** Own leadership now; undefined while somebody else leads. */
  current(): Leader | undefined;
  /**
   * Somebody has heard of a newer token than that of this leadership. If the lock is held all the same, Consul was put back to an
   * earlier state, and the count with it: onElected then follows with a token above that one.
   */
  outgrow(token: number): Promise<void>;
  /** Steps down: gives the lock back so that another candidate has it at once. */
  close(): Promise<void>;
}

interface Candidate {
  /** Consul service of all candidates for this key. */
  readonly service: string;
  /** Id of the service and name of the session. */
  readonly name: string;
  readonly address: string;
  readonly ttlMs: number;
  readonly meta: Readonly<Record<string, string>>;
}

/** Value of the lock's key. `base` is added to LockIndex, which Consul may count anew. */
const leaderSchema = z.object({
  id: z.string(),
  address: z.string(),
  base: z.number().int().min(0).default(0),
});
const sessionSchema = z.array(z.object({ ID: z.string(), Name: z.string() }));

/**
 * Stands for election by a session lock (https://developer.hashicorp.com/consul/docs/automate/application-leader-election)
 * until close().
 *
 * The session hangs on a TTL check of this candidate rather than on a session TTL, which cannot be below 10 s and may take twice
 * that to expire. Its lock delay is 0, since commands are fenced. A former session of the same id is destroyed first, so a
 * process that was restarted leads again at once.
 */
export function campaign(consul: ConsulClient, options: CampaignOptions): Campaign {
  const { key, id, log } = options;
  const ttlMs = options.ttlMs ?? 4_000;
  const name = `${key}:${id}`;
  const service = `rouse-${key.slice(key.lastIndexOf("/") + 1)}`;
  const candidate: Candidate = { service, name, address: options.address, ttlMs, meta: options.meta ?? {} };
  const closing = new AbortController();
  let session: string | undefined;
  let leadership: Leader | undefined;
  let item: KvItem | undefined;
  let refreshing: NodeJS.Timeout | undefined;
  let working: Promise<void> = Promise.resolve();

  const seen = (next: KvItem | undefined, fresh: boolean) => {
    // An answer that was on its way while a newer one came in.
    if (!fresh && next !== undefined && item !== undefined && next.ModifyIndex < item.ModifyIndex) return;
    item = next;
    const mine = next?.Session !== undefined && next.Session === session;
    const holder = next && leaderOf(next);
    if (mine && holder !== undefined && leadership?.token !== holder.token) {
      leadership = { ...holder, id, address: options.address };
      log?.info({ token: leadership.token }, `${id} leads ${key}`);
      const elected = leadership;
      notify(() => options.onElected?.(elected));
    } else if (!mine && leadership !== undefined) {
      leadership = undefined;
      log?.warn(`${id} leads ${key} no more`);
      notify(() => options.onLost?.());
    }
    // A session of a former process of this id is back, since Consul was put back, and nobody would end it.
    if (!mine && holder?.id === id)
      void destroySession(consul, holder.session).catch((err) =>
        log?.warn({ err }, `${id} stands in its own way for ${key}`),
      );
  };
  const value = (base: number) => JSON.stringify({ id, address: options.address, ...(base > 0 && { base }) });
  const acquire = async () => {
    while (!closing.signal.aborted && item?.Session === undefined) {
      try {
        session ??= await openSession(consul, candidate);
        await writeKey(consul, key, value(baseOf(item)), { acquire: session });
        seen(await readKey(consul, key), false);
      } catch (thrown) {
        const error = RouseError.from(thrown);
        if (error.status === "CANCELLED") return;
        // A session that Consul has ended meanwhile is refused; the next round opens a new one.
        if (error.status === "FAILED_PRECONDITION") session = undefined;
        else log?.warn({ err: error }, `${id} cannot stand for ${key}; it is tried again`);
        await sleep(20 + Math.random() * 40, undefined, { signal: closing.signal }).catch(() => undefined);
      }
    }
  };
  const keep = async () => {
    const known = await refresh(consul, name, true, "", ttlMs);
    if (!known && session !== undefined) await registerCandidate(consul, candidate);
  };

  const start = async () => {
    await retry(closing.signal, log, async () => {
      for (const own of await listSessions(consul))
        if (own.Name === name) await destroySession(consul, own.ID);
      await registerCandidate(consul, candidate);
    });
    refreshing = setInterval(
      () => void keep().catch((err) => log?.warn({ err }, `${name} is not refreshed`)),
      ttlMs / 4,
    );
    await followQuery(
      consul,
      {
        path: kvPath(key),
        accept: [404],
        onAnswer: (response, fresh) => {
          seen(response.status === 404 ? undefined : kvListSchema.parse(JSON.parse(response.text))[0], fresh);
          if (item?.Session === undefined) working = working.then(acquire);
        },
      },
      closing.signal,
    );
  };
  const running = start();

  return {
    current: () => leadership,
    async outgrow(token) {
      if (leadership === undefined || item === undefined || token < leadership.token) return;
      const { session: acquire } = leadership;
      // Only the holder can write by it; the query tells what follows.
      await writeKey(consul, key, value(token + 1 - item.LockIndex), { acquire });
    },
    async close() {
      closing.abort();
      clearInterval(refreshing);
      await running;
      await working;
      leadership = undefined;
      if (session !== undefined) await destroySession(consul, session).catch(() => undefined);
      await withdraw(consul, name).catch(() => undefined);
    },
  };
}

/** Follows who leads; `onChange` gets undefined while nobody does. @returns the function that ends it. */
export function watchLeader(
  consul: ConsulClient,
  key: string,
  onChange: (leader: Leader | undefined) => void,
): () => void {
  const closing = new AbortController();
  let known: string | undefined;
  const onAnswer = (response: { status: number; text: string }) => {
    const item = response.status === 404 ? undefined : kvListSchema.parse(JSON.parse(response.text))[0];
    const leader = item && leaderOf(item);
    const next = JSON.stringify(leader ?? null);
    if (next === known) return;
    known = next;
    notify(() => onChange(leader));
  };
  void followQuery(consul, { path: kvPath(key), accept: [404], onAnswer }, closing.signal);
  return () => closing.abort();
}

/**
 * Who leads now.
 *
 * @param timeoutMs How long Consul may take to answer, ms; default 15,000.
 */
export async function readLeader(
  consul: ConsulClient,
  key: string,
  timeoutMs?: number,
): Promise<Leader | undefined> {
  const item = await readKey(consul, key, timeoutMs);
  return item && leaderOf(item);
}

/**
 * Takes the lead from one whose process is known to be gone, so that nobody waits until its silence is noticed. Should it live
 * after all, it loses the lead like any other; agents refuse its commands.
 *
 * @returns whether it led.
 */
export async function depose(consul: ConsulClient, key: string, address: string): Promise<boolean> {
  const leader = await readLeader(consul, key);
  if (leader?.address !== address) return false;
  await destroySession(consul, leader.session);
  return true;
}

function leaderOf(item: KvItem): Leader | undefined {
  const value = lockValue(item);
  if (item.Session === undefined || value === undefined) return undefined;
  const { id, address, base } = value;
  return { id, address, token: base + item.LockIndex, session: item.Session };
}

/** What a new holder goes on from. */
function baseOf(item: KvItem | undefined): number {
  return (item && lockValue(item)?.base) ?? 0;
}

function lockValue(item: KvItem): z.infer<typeof leaderSchema> | undefined {
  try {
    return leaderSchema.safeParse(JSON.parse(decodeValue(item).toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

/**
 * A candidate is a Consul service, such as "rouse-orchestrator", with a TTL check of its own. A check of the node would, when
 * critical, take every instance on that node out of service.
 */
async function registerCandidate(consul: ConsulClient, candidate: Candidate): Promise<void> {
  const { service, name, address, ttlMs, meta } = candidate;
  const check = "candidate is alive";
  await announce(consul, { name: service, id: name, ...splitAddress(address), meta, check, ttlMs });
}

async function openSession(consul: ConsulClient, candidate: Candidate): Promise<string> {
  const ServiceChecks = [{ ID: checkId(candidate.name) }];
  const body = JSON.stringify({ Name: candidate.name, LockDelay: "0s", Behavior: "release", ServiceChecks });
  try {
    const response = await consul.request("PUT", "/v1/session/create", { body });
    return z.object({ ID: z.string() }).parse(JSON.parse(response.text)).ID;
  } catch (thrown) {
    // The check is missing or critical (this process was held up longer than the TTL): make it new, then try again.
    await registerCandidate(consul, candidate);
    throw thrown;
  }
}

async function listSessions(consul: ConsulClient) {
  return sessionSchema.parse(JSON.parse((await consul.request("GET", "/v1/session/list")).text));
}

async function destroySession(consul: ConsulClient, session: string): Promise<void> {
  await consul.request("PUT", `/v1/session/destroy/${session}`);
}

async function retry(signal: AbortSignal, log: Logger | undefined, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      return await work();
    } catch (err) {
      log?.warn({ err }, "Consul is away; the election waits for it");
      await sleep(100 + Math.random() * 200, undefined, { signal }).catch(() => undefined);
    }
  }
}
