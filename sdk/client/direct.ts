import { type Client, connectivityState } from "@grpc/grpc-js";
import type { DirectLoad, Share } from "#proto/rouse/meshconfig/v1/endpoints.ts";
import { EndpointFeed } from "../endpoints/feed.ts";
import { hereOf, reaches, zoneHere } from "../endpoints/reach.ts";
import { type SharedChannel, shareChannel } from "./channel.ts";
import { byWeight, leastBusy } from "./pick.ts";
import { envoyWay, type Route, type Way } from "./route.ts";

/** Instances of one version that a client connects to: enough to spread its calls, whatever the version's size. */
const MOST_CONNECTIONS = 16;
/** So many UNAVAILABLE in a row leave an instance out for a while, as in Envoy's clusters (clusters.ts); and how long, ms. */
const MOST_FAILURES = 5;
const EJECTED_MS = 10_000;

interface Instance {
  readonly cluster: string;
  readonly address: string;
  readonly channel: SharedChannel;
  /** The mesh names it. */
  wanted: boolean;
  inProgress: number;
  issued: number;
  errors: number;
  failures: number;
  /** ms of `performance.now()`. */
  ejectedUntilMs: number;
}

export interface DirectOptions {
  /** To Envoy: for what cannot be called directly. */
  readonly mesh: SharedChannel;
  readonly meshTarget: string;
  readonly service: string;
  readonly version: string | undefined;
  readonly maxResponseBytes: number;
}

/**
 * Calls straight to instances: the mesh tells which there are, the one with the fewest calls of this client gets the next.
 * What is cold, not connected yet or out of reach goes through Envoy. The mesh is told of all direct calls.
 */
export class DirectRoute implements Route {
  readonly #options: DirectOptions;
  readonly #instances = new Map<string, Instance>();
  readonly #feed: EndpointFeed;
  #shares: readonly { readonly cluster: string; readonly weight: number }[] = [];
  #turn = 0;
  #closed = false;

  constructor(options: DirectOptions) {
    this.#options = options;
    const { service, version = "" } = options;
    this.#feed = new EndpointFeed({
      grpc: options.mesh.grpc,
      subscribe: { service, version, members: false, zone: zoneHere() },
      changed: (shares) => this.#changed(shares),
      report: () => ({ loads: this.#loads(), sessions: undefined }),
    });
  }

  take(avoid: ReadonlySet<string>): Way {
    const share = byWeight(this.#shares, Math.random());
    if (share === undefined) return this.#byEnvoy(undefined);
    const ready = [...this.#instances.values()].filter(
      (instance) => instance.cluster === share.cluster && !avoid.has(instance.address) && usable(instance),
    );
    this.#turn += 1;
    const chosen = leastBusy(ready, this.#turn);
    // Chosen is chosen: Envoy must not draw lots again.
    if (chosen === undefined) return this.#byEnvoy(/@(.+)#/.exec(share.cluster)?.[1]);
    return this.#begin(chosen);
  }

  /** Lets open calls end. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#shares = [];
    for (const instance of this.#instances.values()) instance.wanted = false;
    this.#tidy();
  }

  #byEnvoy(version: string | undefined): Way {
    return envoyWay(this.#options.mesh, version);
  }

  #begin(instance: Instance): Way {
    instance.inProgress += 1;
    instance.issued += 1;
    let ended = false;
    return {
      grpc: instance.channel.grpc,
      version: undefined,
      address: instance.address,
      isKnown: false,
      end: (failure) => {
        if (ended) return;
        ended = true;
        instance.inProgress -= 1;
        instance.failures = failure === "unavailable" ? instance.failures + 1 : 0;
        if (failure !== undefined) instance.errors += 1;
        if (instance.failures >= MOST_FAILURES) {
          instance.failures = 0;
          instance.ejectedUntilMs = performance.now() + EJECTED_MS;
        }
        if (!instance.wanted && instance.inProgress === 0) this.#tidy();
      },
    };
  }

  #changed(shares: readonly Share[]): void {
    if (this.#closed) return;
    this.#shares = shares;
    const { meshTarget, maxResponseBytes } = this.#options;
    const here = hereOf(meshTarget);
    for (const instance of this.#instances.values()) instance.wanted = false;
    for (const { cluster, endpoints } of shares) {
      const near = endpoints.filter((endpoint) => reaches(here, endpoint));
      for (const { address } of some(near)) {
        const key = `${cluster} ${address}`;
        const known = this.#instances.get(key);
        if (known !== undefined) known.wanted = true;
        else this.#instances.set(key, instanceOf(cluster, address, maxResponseBytes));
      }
    }
    this.#tidy();
  }

  /** Lets go of what nobody needs any more. */
  #tidy(): void {
    let open = 0;
    for (const [key, instance] of this.#instances) {
      open += instance.inProgress;
      // What began and was not told yet is told first.
      if (instance.wanted || instance.inProgress > 0 || (instance.issued > 0 && !this.#closed)) continue;
      this.#instances.delete(key);
      instance.channel.release();
    }
    if (!this.#closed || open > 0) return;
    this.#feed.close();
    this.#options.mesh.release();
  }

  #loads(): DirectLoad[] {
    const loads: DirectLoad[] = [];
    let gone = false;
    for (const instance of this.#instances.values()) {
      const { cluster, address, inProgress, issued, errors } = instance;
      if (inProgress + issued + errors > 0) loads.push({ cluster, address, inProgress, issued, errors });
      instance.issued = 0;
      instance.errors = 0;
      gone ||= !instance.wanted;
    }
    if (gone && !this.#closed) this.#tidy();
    return loads;
  }
}

function instanceOf(cluster: string, address: string, maxResponseBytes: number): Instance {
  const channel = shareChannel(address, maxResponseBytes);
  connect(channel.grpc);
  const counts = { inProgress: 0, issued: 0, errors: 0, failures: 0, ejectedUntilMs: 0 };
  return { cluster, address, channel, wanted: true, ...counts };
}

/** Connected, and not left out for its failures. What lost its connection is connected anew. */
function usable({ channel, wanted, ejectedUntilMs }: Instance): boolean {
  return wanted && connect(channel.grpc) && performance.now() >= ejectedUntilMs;
}

function connect(grpc: Client): boolean {
  return grpc.getChannel().getConnectivityState(true) === connectivityState.READY;
}

/** Clients differ in whom they choose, and each chooses the same again. */
function some<T extends { readonly address: string }>(endpoints: readonly T[]): readonly T[] {
  if (endpoints.length <= MOST_CONNECTIONS) return endpoints;
  const ranked = endpoints.map((endpoint) => ({
    endpoint,
    rank: hash(`${process.pid} ${endpoint.address}`),
  }));
  return ranked
    .sort((a, b) => a.rank - b.rank)
    .slice(0, MOST_CONNECTIONS)
    .map(({ endpoint }) => endpoint);
}

/** FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
