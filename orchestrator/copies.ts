import { BundleRing } from "../registry/bundle-ring.ts";
import type { HostState } from "../registry/hosts.ts";
import type { MeshState } from "../registry/state.ts";
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
/** So many hosts are told at once. */
const AT_ONCE = 8;

/**
 * Has hosts keep copies of all versions' bundles, so that the loss of the registry's host loses none: agents get from each other
 * what the registry does not give.
 */
export class Copies {
  readonly #orchestrator: Orchestrator;
  /** By host, what it was told and does. */
  readonly #told = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  /** Something has changed while it ran. */
  #missed = false;

  constructor(orchestrator: Orchestrator) {
    this.#orchestrator = orchestrator;
  }

  /** Looks soon for what is to be kept elsewhere. */
  kick(): void {
    if (this.#running) this.#missed = true;
    if (this.#running || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = true;
      void this.#run().then((done) => {
        this.#running = false;
        if (this.#missed) this.kick();
        else if (!done) setTimeout(() => this.kick(), RETRY_MS).unref();
        this.#missed = false;
      });
    }, PAUSE_MS).unref();
  }

  /** Another leads, and tells the hosts something else perhaps. */
  reset(): void {
    this.#told.clear();
  }

  /** @returns whether all hosts keep what they should. */
  async #run(): Promise<boolean> {
    const { mesh, token } = this.#orchestrator;
    if (token === undefined) return true;
    const there = mesh.hosts().filter(({ reachable, lost }) => reachable && lost === undefined);
    const shares = shareOut(
      bundlesOf(mesh.current()),
      there.map(({ host }) => host),
    );
    for (const host of this.#told.keys()) if (!shares.has(host)) this.#told.delete(host);
    const changed = there.filter(({ host }) => this.#told.get(host) !== shares.get(host)?.join());
    let done = true;
    for (let n = 0; n < changed.length; n += AT_ONCE) {
      const some = changed.slice(n, n + AT_ONCE);
      const kept = await Promise.all(
        some.map((host) => this.#tell(host, shares.get(host.host) ?? [], token)),
      );
      if (kept.includes(false)) done = false;
    }
    return done;
  }

  async #tell(
    { host, address }: HostState,
    digests: readonly string[],
    fencingToken: number,
  ): Promise<boolean> {
    const { agents, log } = this.#orchestrator;
    try {
      await unary(
        agents.at(address),
        "keepBundles",
        { fencingToken, digests: [...digests] },
        { deadlineMs: KEEP_MS },
      );
      this.#told.set(host, digests.join());
      return true;
    } catch (error) {
      log.warn({ err: error, host }, "a host does not keep all copies of bundles that it should");
      return false;
    }
  }
}

/** The bundles of the versions that were registered last. Pure. */
export function bundlesOf({ services }: MeshState): string[] {
  const versions = [...services.values()].flatMap((service) => [...service.versions.values()]);
  const latest = versions
    .sort((a, b) => b.deployment.registeredAtMs - a.deployment.registeredAtMs)
    .slice(0, MOST_KEPT);
  const digests = latest.flatMap(({ deployment: { artifact } }) =>
    artifact.kind === "bundle" ? [artifact.digest] : [],
  );
  return [...new Set(digests)].sort();
}

/**
 * Which host keeps which bundles, by host. A mesh of one host keeps none: the registry is on the same disk. Pure.
 *
 * @param digests Sorted.
 */
export function shareOut(digests: readonly string[], hosts: readonly string[]): Map<string, string[]> {
  const shares = new Map(hosts.map((host): [string, string[]] => [host, []]));
  if (hosts.length < 2) return shares;
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
