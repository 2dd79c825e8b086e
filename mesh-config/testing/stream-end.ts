import { pino } from "pino";
import type { DeltaRequest, DeltaResponse } from "../proto/wire.ts";
import { ChangeLog } from "../xds/changed.ts";
import { Pages } from "../xds/pages.ts";
import { type Kind, kindOf, type Resource, resourceOfBytes, typeUrl } from "../xds/resource.ts";
import type { Shared, Snapshot } from "../xds/snapshot.ts";
import { DeltaStream } from "../xds/stream.ts";

/** A stream whose other end, and whose snapshots, are a test's. */
export class StreamEnd {
  number = 0;
  resources: Record<Kind, Map<string, Resource>> = {
    cluster: new Map(),
    endpoint: new Map(),
    listener: new Map(),
    route: new Map(),
    extension: new Map(),
  };
  readonly aliases = new Map<string, string>();
  readonly log = new ChangeLog();
  readonly sent: DeltaResponse[] = [];
  readonly asked: string[] = [];
  readonly had: string[] = [];
  readonly inUse = new Set<string>();
  readonly #page: number;
  #pages: Pages | undefined;
  stream = this.#connect();

  /** @param page Bytes in a page for those that come with nothing; default: there are no pages. */
  constructor(page = 0) {
    this.#page = page;
  }

  /** Has another stream from now on. */
  reconnect(): void {
    this.sent.length = 0;
    this.nonces = {};
    this.stream = this.#connect();
  }

  #connect(): DeltaStream {
    return new DeltaStream(
      {
        snapshot: () => this.#snapshot(),
        has: (clusters) => this.had.push(...clusters.keys()),
        missing: (cluster, held) => {
          this.asked.push(`${cluster}${held ? " held" : ""}`);
          return cluster.startsWith("cold");
        },
        inUse: (cluster) => this.inUse.has(cluster),
        pushed: () => undefined,
        released: () => undefined,
        accepted: () => undefined,
        refused: () => undefined,
      },
      (response) => this.sent.push(response),
      pino({ level: "silent" }),
    );
  }

  #snapshot(): Snapshot {
    const { number, resources, aliases } = this;
    const touchedSince = (before: number) => this.log.since(before);
    const snapshot = { number, resources, aliases, touchedSince };
    return this.#page === 0 ? snapshot : { ...snapshot, pages: () => this.#pagesOf(snapshot) };
  }

  #pagesOf(snapshot: Snapshot): Pages {
    const { cluster, endpoint } = snapshot.resources;
    const copy = (of: ReadonlyMap<string, Resource>): Shared => ({
      number: snapshot.number,
      contents: new Map(of),
      names: new Map([...of.keys()].map((name) => [name, true])),
    });
    if (!this.#pages?.within(snapshot))
      this.#pages = new Pages({ cluster: copy(cluster), endpoint: copy(endpoint) }, this.#page);
    return this.#pages;
  }

  /** Changes the snapshot: content by name for each kind; an empty content takes the resource away. */
  put(change: Partial<Record<Kind, Record<string, string>>>): void {
    this.number++;
    this.log.add(this.number, new Set(Object.values(change).flatMap((contents) => Object.keys(contents))));
    for (const [kind, contents] of Object.entries(change) as [Kind, Record<string, string>][]) {
      const all = new Map(this.resources[kind]);
      for (const [name, content] of Object.entries(contents)) {
        if (content === "") all.delete(name);
        else all.set(name, resourceOfBytes(kind, name, Buffer.from(content), this.number));
      }
      this.resources = { ...this.resources, [kind]: all };
    }
    this.stream.flush();
  }

  request(kind: Kind, fields: Partial<DeltaRequest>): void {
    this.stream.receive({
      type_url: typeUrl(kind),
      resource_names_subscribe: [],
      resource_names_unsubscribe: [],
      initial_resource_versions: new Map(),
      response_nonce: "",
      ...fields,
    });
  }

  subscribe(kind: Kind, ...names: string[]): void {
    this.request(kind, { resource_names_subscribe: names });
  }

  version(kind: Kind, name: string): string {
    return this.resources[kind].get(name)?.version ?? "";
  }

  /** What was sent since the last look, as "kind +added -removed". */
  take(): string[] {
    return this.sent.splice(0).map((response) => {
      this.nonces[kindOf(response.typeUrl) as Kind] = response.nonce;
      return lineOf(response);
    });
  }

  nonces: Partial<Record<Kind, string>> = {};

  ack(kind: Kind, error?: string): void {
    const nonce = this.nonces[kind] ?? "";
    this.request(kind, { response_nonce: nonce, ...(error && { error_detail: { message: error } }) });
  }

  ackAll(): string[] {
    const seen: string[] = [];
    for (let taken = this.take(); taken.length > 0; taken = this.take()) {
      seen.push(...taken);
      for (const line of taken) this.ack(line.split(" ")[0] as Kind);
    }
    return seen;
  }
}

/** A response as "kind +added -removed". */
export function lineOf({ typeUrl: type, resources, removed }: DeltaResponse): string {
  const names = [...resources.map(({ name }) => `+${name}`), ...removed.map((name) => `-${name}`)];
  return [kindOf(type), ...names].join(" ");
}
