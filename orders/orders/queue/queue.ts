import { fits, occupancy } from "../../../orchestrator/placement/filter.ts";
import type { Amounts, PlaceableHost } from "../../../orchestrator/placement/host.ts";
import type { Needs } from "../../../orchestrator/placement/needs.ts";
import { place } from "../../../orchestrator/placement/place.ts";

/** Room of a task; "call": none on a host, but one of the calls that may be under way. */
export type Room = Needs | "call";

/** A task that waits for its turn. */
export interface Candidate {
  /** Unique. */
  readonly key: string;
  /** 0 to 9. */
  readonly priority: number;
  /** Whose share it counts for. */
  readonly provider: string;
  /** Place in the order of acceptance; the least goes first. */
  readonly sequence: number;
  /** Since when it has waited, ms. */
  readonly sinceMs: number;
  readonly room: Room;
}

/** What a task that runs has. */
export interface Taken {
  readonly provider: string;
  readonly room: Room;
}

export interface Assignment {
  readonly key: string;
  /** Undefined for a call. */
  readonly host?: string;
}

export interface Situation {
  readonly candidates: readonly Candidate[];
  readonly running: readonly Taken[];
  /** With what runs there; jobs of orders included. */
  readonly hosts: readonly PlaceableHost[];
  /** Most calls under way at one time. */
  readonly mostCalls: number;
  readonly nowMs: number;
}

/** So long a task waits before it counts as if it had the next higher priority, ms. */
export const AGE_MS = 600_000;
/** So long the first in the queue waits before a host is kept free for it, ms. */
export const RESERVE_MS = 60_000;

/**
 * Whose turn it is, and on which host.
 *
 * The order is by level, then by share, then by age. The level is the priority, and one more for each ten minutes of waiting (the age
 * factor of Slurm's multifactor priority), so that whatever comes later, everything has its turn. Within a level the provider goes first
 * that has least by now: its dominant share, the largest of its shares of all cores, memory, GPUs and calls (Ghodsi et al., Dominant
 * Resource Fairness, NSDI 2011, with progressive filling). Its own tasks go in the order of acceptance.
 *
 * What does not fit is passed over (backfilling), so that small tasks use what large ones cannot. The first that was passed over and has
 * waited for a minute gets a host kept free for it (the reservation of EASY backfilling, Lifka 1995; nobody says how long tasks run,
 * so that nothing else begins there meanwhile). A host that is quarantined gets only what no other could ever take.
 */
export function assign(situation: Situation): Assignment[] {
  const { candidates, running, nowMs, mostCalls } = situation;
  const pool = new Pool(situation.hosts, mostCalls);
  const shares = new Shares(pool.total, running);
  const assigned: Assignment[] = [];
  let calls = running.filter(({ room }) => room === "call").length;
  let reserved = false;
  for (const level of byLevel(candidates, nowMs)) {
    const queues = byProvider(level);
    for (let queue = neediest(queues, shares); queue !== undefined; queue = neediest(queues, shares)) {
      const candidate = queue[queue.length - 1] as Candidate;
      queue.pop();
      const { key, room, provider } = candidate;
      if (room === "call") {
        if (calls >= mostCalls) continue;
        calls++;
        assigned.push({ key });
      } else {
        const host = pool.place(room);
        if (host === undefined) {
          if (!reserved && nowMs - candidate.sinceMs >= RESERVE_MS) reserved = pool.reserve(room);
          continue;
        }
        assigned.push({ key, host });
      }
      shares.add(provider, room);
    }
  }
  return assigned;
}

/** Candidates of the highest level first. */
function byLevel(candidates: readonly Candidate[], nowMs: number): Candidate[][] {
  const levels = new Map<number, Candidate[]>();
  for (const candidate of candidates) {
    const level = levelOf(candidate, nowMs);
    const known = levels.get(level);
    if (known === undefined) levels.set(level, [candidate]);
    else known.push(candidate);
  }
  return [...levels].sort(([a], [b]) => b - a).map(([, members]) => members);
}

export function levelOf({ priority, sinceMs }: Candidate, nowMs: number): number {
  return priority + Math.floor(Math.max(0, nowMs - sinceMs) / AGE_MS);
}

/** Of each provider, what was accepted last first: the next one is taken from the end. */
function byProvider(candidates: readonly Candidate[]): Map<string, Candidate[]> {
  const queues = new Map<string, Candidate[]>();
  for (const candidate of [...candidates].sort((a, b) => b.sequence - a.sequence)) {
    const known = queues.get(candidate.provider);
    if (known === undefined) queues.set(candidate.provider, [candidate]);
    else known.push(candidate);
  }
  return queues;
}

/** The queue of the provider with the least share; of equal ones that whose head was accepted first. Undefined: all are empty. */
function neediest(queues: Map<string, Candidate[]>, shares: Shares): Candidate[] | undefined {
  let best: { readonly queue: Candidate[]; readonly share: number; readonly sequence: number } | undefined;
  for (const [provider, queue] of queues) {
    const head = queue[queue.length - 1];
    if (head === undefined) {
      queues.delete(provider);
      continue;
    }
    const share = shares.of(provider);
    const { sequence } = head;
    if (best === undefined || share < best.share || (share === best.share && sequence < best.sequence))
      best = { queue, share, sequence };
  }
  return best?.queue;
}

interface Total extends Amounts {
  readonly calls: number;
}

/** Dominant shares of the providers. */
class Shares {
  readonly #total: Total;
  readonly #used = new Map<string, { cpu: number; memory: number; gpu: number; calls: number }>();

  constructor(total: Total, running: readonly Taken[]) {
    this.#total = total;
    for (const { provider, room } of running) this.add(provider, room);
  }

  add(provider: string, room: Room): void {
    const used = this.#used.get(provider) ?? { cpu: 0, memory: 0, gpu: 0, calls: 0 };
    if (room === "call") used.calls++;
    else {
      used.cpu += room.cpu;
      used.memory += room.memory;
      used.gpu += room.gpu;
    }
    this.#used.set(provider, used);
  }

  of(provider: string): number {
    const used = this.#used.get(provider);
    if (used === undefined) return 0;
    const { cpu, memory, gpu, calls } = this.#total;
    const share = (amount: number, all: number) => (all > 0 ? amount / all : 0);
    return Math.max(
      share(used.cpu, cpu),
      share(used.memory, memory),
      share(used.gpu, gpu),
      share(used.calls, calls),
    );
  }
}

/** The hosts, as they fill up. */
class Pool {
  readonly total: Total;
  readonly #hosts: { host: PlaceableHost; kept: boolean }[];
  /** Needs that fit nowhere any more: room only gets less. */
  readonly #hopeless = new Set<string>();
  /** Hosts that are asked, by needs. */
  readonly #asked = new Map<string, readonly { host: PlaceableHost; kept: boolean }[]>();

  constructor(hosts: readonly PlaceableHost[], mostCalls: number) {
    const active = hosts.filter(({ mode = "active" }) => mode === "active");
    this.#hosts = active.map((host) => ({ host, kept: false }));
    const sum = (amount: (host: PlaceableHost) => number) =>
      active.reduce((all, host) => all + amount(host), 0);
    this.total = {
      cpu: sum(({ cpu }) => cpu),
      memory: sum(({ memory }) => memory),
      gpu: sum(({ gpu }) => gpu),
      calls: mostCalls,
    };
  }

  /** The host that takes it, as placement would choose; its room is less from then on. */
  place(needs: Needs): string | undefined {
    const kind = kindOf(needs);
    if (this.#hopeless.has(kind)) return undefined;
    const open = this.#ask(needs)
      .filter(({ kept }) => !kept)
      .map(({ host }) => host);
    const { host } = open.length === 0 ? {} : place(needs, open);
    if (host === undefined) {
      this.#hopeless.add(kind);
      return undefined;
    }
    for (const one of this.#hosts) if (one.host.name === host) one.host = grown(one.host, needs);
    return host;
  }

  /**
   * Keeps the host free that misses least of what is needed: nothing more is placed there. While tasks end there, and the least that
   * any host misses cannot grow, so that it fits at last.
   *
   * @returns false where no host could ever take it.
   */
  reserve(needs: Needs): boolean {
    let best: { readonly one: { host: PlaceableHost; kept: boolean }; readonly missing: number } | undefined;
    for (const one of this.#ask(needs)) {
      if (!couldTake(one.host, needs)) continue;
      const missing = missingOn(one.host, needs);
      const first = best === undefined || missing < best.missing;
      if (first || (missing === best?.missing && one.host.name < best.one.host.name)) best = { one, missing };
    }
    if (best !== undefined) best.one.kept = true;
    return best !== undefined;
  }

  /** Those that nothing is held against; a job can wait for them. Where none of them could ever take it, all. */
  #ask(needs: Needs): readonly { host: PlaceableHost; kept: boolean }[] {
    const kind = kindOf(needs);
    const known = this.#asked.get(kind);
    if (known !== undefined) return known;
    const trusted = this.#hosts.filter(({ host }) => (host.blame ?? 0) < 1);
    const asked = trusted.some(({ host }) => couldTake(host, needs)) ? trusted : this.#hosts;
    this.#asked.set(kind, asked);
    return asked;
  }
}

/** Whether it has room enough when nothing runs there. */
function couldTake(host: PlaceableHost, needs: Needs): boolean {
  const empty = { ...host, used: { cpu: 0, memory: 0, gpu: 0 } };
  return fits(needs, empty, occupancy(needs, [empty]));
}

/** The largest share of the host that must become free first. */
function missingOn({ cpu, memory, gpu, used }: PlaceableHost, needs: Amounts): number {
  const share = (need: number, all: number, taken: number) =>
    all > 0 ? Math.max(0, need - (all - taken)) / all : 0;
  return Math.max(
    share(needs.cpu, cpu, used.cpu),
    share(needs.memory, memory, used.memory),
    share(needs.gpu, gpu, used.gpu),
  );
}

function grown(host: PlaceableHost, { cpu, memory, gpu }: Amounts): PlaceableHost {
  const { used } = host;
  return { ...host, used: { cpu: used.cpu + cpu, memory: used.memory + memory, gpu: used.gpu + gpu } };
}

const NOWHERE: ReadonlySet<string> = new Set();

/** Tasks of one kind fit on the same hosts. */
function kindOf({ service = "", version = "", cpu, memory, gpu, labels, failedOn = NOWHERE }: Needs): string {
  return JSON.stringify([service, version, cpu, memory, gpu, labels, ...failedOn]);
}
