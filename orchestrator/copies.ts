import { BundleRing } from "../registry/bundle-ring.ts";
import { type HostState, isGone } from "../registry/hosts.ts";
import type { MeshState, VersionState } from "../registry/state.ts";
import { unary } from "../sdk/grpc.ts";
import type { Orchestrator } from "./orchestrator.ts";

/** So many hosts keep each bundle, beside the registry: two may be lost at once, such as the registry's and another. */
const COPIES = 2;
/** Of so many versions, the latest registered; their digests fit into one message. */
const MOST_KEPT = 16_384;
/** Changes come in bursts; ms. */
const PAUSE_MS = 500;
/** After a host could not keep what it should it is told again, ms. */
const RETRY_MS = 15_000;
/** Bundles may be large and hosts slow, ms. */
const KEEP_MS = 300_000;
/** So many hosts are told at once; one that takes longer than this (ms) is not counted any more. */
const AT_ONCE = 8;
const SLOW_MS = 10_000;

/**
 * Has hosts keep copies of all versions' bundles, so that the loss of the registry's host loses none: agents get from each other
 * what the registry does not give.
 */
export class Copies {
  readonly #orchestrator: Orchestrator;
  /** By host, what it was told and does. */
  readonly #told = new Map<string, string>();
  /** By host, the digests that it keeps for certain. */
  readonly #kept = new Map<string, readonly string[]>();
  /** Hosts that are being told, or could not keep what they should a moment ago. The others need not wait for them. */
  readonly #busy = new Set<string>();
  /** To be told when others have been. */
  #queue: Order[] = [];
  #telling = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(orchestrator: Orchestrator) {
    this.#orchestrator = orchestrator;
  }

  /** Looks soon for what is to be kept elsewhere. */
  kick(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, PAUSE_MS).unref();
  }

  /** Another leads, and tells the hosts something else perhaps. */
  reset(): void {
    this.#told.clear();
    this.#kept.clear();
  }

  #look(): void {
    const { mesh, token } = this.#orchestrator;
    this.#queue = [];
    if (token === undefined) return;
    const there = mesh.hosts().filter((host) => !isGone(host));
    // Most meshes have one host, and none of all this to do at each of their changes.
    const digests = there.length < 2 ? [] : bundlesOf(mesh.current());
    const shares = shareOut(
      digests,
      there.map(({ host }) => host),
    );
    for (const known of [this.#told, this.#kept])
      for (const host of known.keys()) if (!shares.has(host)) known.delete(host);
    const due = handedOver(shares, this.#kept);
    for (const host of there) {
      const digests = due.get(host.host);
      if (digests !== undefined && this.#told.get(host.host) !== digests.join())
        this.#queue.push({ host, digests, token });
    }
    this.#tellNext();
  }

  #tellNext(): void {
    while (this.#telling < AT_ONCE) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (next.token === this.#orchestrator.token && !this.#busy.has(next.host.host)) void this.#tell(next);
    }
  }

  async #tell({ host: { host, address }, digests, token }: Order): Promise<void> {
    const { agents, log } = this.#orchestrator;
    this.#busy.add(host);
    this.#telling++;
    let isCounted = true;
    const leave = () => {
      if (isCounted) this.#telling--;
      isCounted = false;
      this.#tellNext();
    };
    const slow = setTimeout(leave, SLOW_MS).unref();
    try {
      await unary(
        agents.at(address),
        "keepBundles",
        { fencingToken: token, digests: [...digests] },
        { deadlineMs: KEEP_MS },
      );
      if (this.#orchestrator.token === token) {
        this.#told.set(host, digests.join());
        this.#kept.set(host, digests);
      }
      this.#busy.delete(host);
    } catch (error) {
      log.warn({ err: error, host }, "a host does not keep all copies of bundles that it should");
      const named = new Set(digests);
      this.#told.delete(host);
      this.#kept.set(host, this.#kept.get(host)?.filter((digest) => named.has(digest)) ?? []);
      setTimeout(() => {
        this.#busy.delete(host);
        this.kick();
      }, RETRY_MS).unref();
    }
    clearTimeout(slow);
    leave();
    // Others may give up what this one keeps now, and there may be more for itself.
    if (this.#queue.length === 0) this.kick();
  }
}

interface Order {
  readonly host: HostState;
  readonly digests: readonly string[];
  /** Of the leader that says so. */
  readonly token: number;
}

/** The bundles of the versions that were registered last. Pure. */
export function bundlesOf({ services }: MeshState): string[] {
  const versions = [...services.values()].flatMap((service) => [...service.versions.values()]);
  const byAge = (a: VersionState, b: VersionState) =>
    b.deployment.registeredAtMs - a.deployment.registeredAtMs;
  const latest = versions.length <= MOST_KEPT ? versions : versions.sort(byAge).slice(0, MOST_KEPT);
  const digests = latest.flatMap(({ deployment: { artifact } }) =>
    artifact.kind === "bundle" ? [artifact.digest] : [],
  );
  return [...new Set(digests)].sort();
}

/**
 * Which host keeps which bundles, by host. Nothing is said of a host that is alone: the registry is on the same disk, or is away with
 * all others, whose agents may be back in a moment; then what it has is all there is. Pure.
 *
 * @param digests Sorted.
 */
export function shareOut(digests: readonly string[], hosts: readonly string[]): Map<string, string[]> {
  if (hosts.length < 2) return new Map();
  const shares = new Map(hosts.map((host): [string, string[]] => [host, []]));
  const ring = new BundleRing(hosts);
  for (const digest of digests) {
    let copies = 0;
    for (const host of ring.hostsFor(digest)) {
      shares.get(host)?.push(digest);
      if (++copies === COPIES) break;
    }
  }
  return shares;
}

/**
 * What each host is to keep now, by host: its share, and what it kept before of which another host is yet to get its copy. So what moves
 * has as many copies all the while. Pure.
 *
 * @param kept What hosts were told and keep.
 * @returns sorted digests.
 */
export function handedOver(
  shares: ReadonlyMap<string, readonly string[]>,
  kept: ReadonlyMap<string, readonly string[]>,
): Map<string, readonly string[]> {
  const missing = new Set<string>();
  for (const [host, share] of shares) {
    const has = new Set(kept.get(host));
    for (const digest of share) if (!has.has(digest)) missing.add(digest);
  }
  return new Map(
    [...shares].map(([host, share]): [string, readonly string[]] => {
      const own = new Set(share);
      const still = (kept.get(host) ?? []).filter((digest) => missing.has(digest) && !own.has(digest));
      return [host, still.length === 0 ? share : [...share, ...still].sort()];
    }),
  );
}
