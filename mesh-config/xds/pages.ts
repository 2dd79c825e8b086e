import { type DeltaResponse, frameDeltaResponse } from "../proto/wire.ts";
import { type Kind, LARGEST_RESPONSE, type Resource, typeUrl } from "./resource.ts";
import type { Shared, Snapshot } from "./snapshot.ts";

/** A response that many Envoys are sent: encoded once, under a nonce of its own. */
export class Page implements DeltaResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly systemVersion: string;
  readonly resources: Resource[];
  readonly removed: string[] = [];
  readonly names: ReadonlySet<string>;
  /** So many pages of lists go with those of clusters up to this one. */
  readonly lists: number;
  #frame: Buffer | undefined;
  /** The latest list that had all its names. */
  #asked: readonly string[] | undefined;

  constructor(kind: Kind, nonce: string, number: number, resources: Resource[], lists = 0) {
    this.typeUrl = typeUrl(kind);
    this.nonce = nonce;
    this.systemVersion = String(number);
    this.resources = resources;
    this.lists = lists;
    this.names = new Set(resources.map(({ name }) => name));
  }

  get frame(): Buffer {
    this.#frame ??= frameDeltaResponse(this);
    return this.#frame;
  }

  /** Whether these are its names; all Envoys' lists may be the same one (proto/repeated.ts). */
  isOf(names: readonly string[]): boolean {
    if (names === this.#asked) return true;
    if (names.length !== this.names.size || !names.every((name) => this.names.has(name))) return false;
    this.#asked = names;
    return true;
  }
}

/** All clusters of one moment, and their lists of endpoints, in so many responses. */
export class Pages {
  readonly cluster: readonly Page[];
  readonly endpoint: readonly Page[];
  readonly shared: Readonly<Record<"cluster" | "endpoint", Shared>>;
  /** Number of the snapshot that was looked through for what is in these pages, and whether it has all of that. */
  #comparedWith = 0;
  #whole = true;

  /** @param largest A page with more than so much is at its end, bytes. */
  constructor(shared: Pages["shared"], largest = LARGEST_RESPONSE) {
    this.shared = shared;
    const clusters: Page[] = [];
    const endpoints: Page[] = [];
    const { number } = shared.cluster;
    for (const resources of split(shared, largest)) {
      const lists = resources.flatMap(({ name }) => shared.endpoint.contents.get(name) ?? []);
      const nonce = `page ${clusters.length + 1}`;
      if (lists.length > 0) endpoints.push(new Page("endpoint", nonce, number, lists));
      clusters.push(new Page("cluster", nonce, number, resources, endpoints.length));
    }
    this.cluster = clusters;
    this.endpoint = endpoints;
  }

  /**
   * Whether the snapshot has all that is in them, in whatever version: an Envoy is sent what has changed since, but never asks again for a
   * cluster that it had and that was taken away.
   */
  within({ number, resources, touchedSince }: Snapshot): boolean {
    if (number === this.#comparedWith) return this.#whole;
    this.#comparedWith = number;
    const { cluster, endpoint } = this.shared;
    const touched = touchedSince?.(cluster.number);
    this.#whole = touched !== undefined;
    for (const name of touched ?? []) {
      if (cluster.contents.has(name) && !resources.cluster.has(name)) this.#whole = false;
      if (endpoint.contents.has(name) && !resources.endpoint.has(name)) this.#whole = false;
    }
    return this.#whole;
  }
}

/** The clusters of one page after the other: neither they nor their lists are much larger than a response may be. */
function* split({ cluster, endpoint }: Pages["shared"], largest: number): Iterable<Resource[]> {
  let page: Resource[] = [];
  let clusters = 0;
  let lists = 0;
  for (const resource of cluster.contents.values()) {
    page.push(resource);
    clusters += resource.bytes.length;
    lists += endpoint.contents.get(resource.name)?.bytes.length ?? 0;
    if (Math.max(clusters, lists) <= largest) continue;
    yield page;
    page = [];
    clusters = 0;
    lists = 0;
  }
  if (page.length > 0) yield page;
}
