import type { Logger } from "pino";
import type { DeltaRequest, DeltaResponse } from "../proto/wire.ts";
import { type OwnListeners, ownListeners } from "../resources/own-listeners.ts";
import { Page } from "./pages.ts";
import { type Kind, kindOf, kinds, typeUrl } from "./resource.ts";
import type { Snapshot } from "./snapshot.ts";
import { type Change, Subscription } from "./subscription.ts";
import { Tour } from "./tour.ts";

/** What a stream asks of the control plane. */
export interface StreamHost {
  /** @param own Listeners of this Envoy, where they differ from the mesh's. */
  snapshot(own: OwnListeners | undefined): Snapshot;
  /** Envoy has these clusters from before this stream; keys are their names. */
  has(clusters: ReadonlyMap<string, unknown>): void;
  /**
   * Envoy asks for a cluster that the snapshot lacks.
   *
   * @param held Calls are surely held for it; a new stream names all that Envoy ever asked for.
   * @returns whether it may come.
   */
  missing(cluster: string, held: boolean): boolean;
  /** Calls may be open on a cluster that Envoy had from another control plane, and that the snapshot lacks. */
  inUse(cluster: string, stream: DeltaStream): boolean;
  /** The cluster goes out for the first time. */
  pushed(cluster: string): void;
  /** Envoy has the cluster's endpoints. */
  released(cluster: string): void;
  /** Envoy accepted a response of the kind. */
  accepted(kind: Kind, stream: DeltaStream): void;
  /** Envoy refused these versions of resources, in its words. */
  refused(kind: Kind, versions: readonly string[], message: string): void;
}

/**
 * One Envoy's aggregated delta stream (https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol).
 *
 * Clusters go before their endpoints and listeners before their routes; routes wait until Envoy has the clusters and
 * endpoints, and clusters are taken away only when Envoy has accepted the newest routes.
 */
export class DeltaStream {
  readonly connectedAtMs = Date.now();
  readonly subscriptions: Readonly<Record<Kind, Subscription>> = {
    cluster: new Subscription("cluster"),
    endpoint: new Subscription("endpoint"),
    listener: new Subscription("listener"),
    route: new Subscription("route"),
    extension: new Subscription("extension"),
  };
  node = "";
  version = "";
  #own: OwnListeners | undefined;
  readonly #host: StreamHost;
  readonly #write: (response: DeltaResponse) => void;
  readonly #log: Logger;
  readonly #begun = new Set<Kind>();
  /** Clusters for which calls are held, until they are sent: one that is there may be gone before its turn comes. */
  readonly #waiting = new Set<string>();
  /** Envoy brought its configuration from an earlier stream. */
  #resumed = false;
  #nonce = 0;

  constructor(host: StreamHost, write: (response: DeltaResponse) => void, log: Logger) {
    this.#host = host;
    this.#write = write;
    this.#log = log;
  }

  receive(request: DeltaRequest): void {
    if (request.node?.id) this.#identify(request.node);
    const kind = kindOf(request.type_url);
    if (kind === undefined) {
      this.#log.warn(
        { envoy: this.node, type: request.type_url },
        "Envoy asks for a type that nobody serves",
      );
      return;
    }
    const subscription = this.subscriptions[kind];
    this.#answered(subscription, request);
    const first = !this.#begun.has(kind);
    this.#begun.add(kind);
    if (first) {
      const { resource_names_subscribe: names, initial_resource_versions: versions } = request;
      this.#resumed ||= versions.size > 0;
      // An alias may have been warming when the stream broke, and waits for the endpoints though Envoy has them. What waits for its own
      // list has another version than that list was made with (resource.ts).
      const snapshot = this.#snapshot();
      const awaited = new Set(kind === "endpoint" ? snapshot.aliases.values() : []);
      subscription.resume(versions, names, snapshot, awaited);
      // Without any name it's the wildcard as it was before there was a star.
      if (names.length === 0 && (kind === "cluster" || kind === "listener"))
        subscription.subscribe("*", false);
      if (kind === "cluster" && versions.size === 0 && subscription.wildcard) this.#begin(snapshot);
    }
    for (const name of request.resource_names_unsubscribe) {
      subscription.unsubscribe(name);
      this.#waiting.delete(name);
    }
    if (!first) subscription.subscribeAll(request.resource_names_subscribe);
    if (kind === "cluster") this.#askedClusters(first, request);
    this.flush();
  }

  /** Has an Envoy that comes with nothing sent everything in the responses that all such Envoys share. */
  #begin(snapshot: Snapshot): void {
    const pages = this.#begun.has("endpoint") ? undefined : snapshot.pages?.();
    if (pages === undefined) return;
    this.subscriptions.cluster.begin(new Tour(pages, "cluster", pages.cluster.length));
    this.subscriptions.endpoint.begin(new Tour(pages, "endpoint", 0));
  }

  /** Sends what may be sent now. */
  flush(): void {
    const { cluster } = this.#snapshot().resources;
    for (const name of this.#waiting) {
      if (cluster.has(name)) continue;
      if (!this.#host.missing(name, true)) {
        this.#waiting.delete(name);
        this.subscriptions.cluster.tellGone(name);
      }
    }
    // A new one, when another generation stands in for what was waited for.
    const snapshot = this.#snapshot();
    const { cluster: clusters, endpoint: endpoints } = this.subscriptions;
    // Also because Envoy must not have a list of the new version when the cluster comes, should the stream break right then.
    const early = (kind: Kind) =>
      kind === "endpoint" && clusters.inFlight !== undefined
        ? (name: string) => clusters.owes(name, snapshot)
        : undefined;
    // Pages of lists follow those of clusters.
    if (clusters.touring === undefined && endpoints.touring?.complete === false) endpoints.leave();
    for (const kind of kinds) {
      // A list that is sent ahead would end the tour, which is nearly over.
      if (kind === "cluster" && endpoints.touring?.complete) continue;
      if (!this.#begun.has(kind) && kind !== "endpoint") continue;
      if (kind === "route" && !this.#backed(snapshot)) continue;
      const removals = this.#mayRemove(kind, snapshot);
      const inUse = (name: string) => kind === "cluster" && this.#host.inUse(name, this);
      const change = this.subscriptions[kind].next(snapshot, removals, inUse, early(kind));
      if (change !== undefined) this.#send(kind, change, snapshot);
    }
  }

  /** Envoy has all the clusters and endpoints that it follows. */
  get caughtUp(): boolean {
    const snapshot = this.#snapshot();
    const asked = this.#begun.has("endpoint") || snapshot.resources.endpoint.size === 0;
    return this.#begun.has("cluster") && asked && this.#backed(snapshot);
  }

  /** Every cluster that the routes may point to. */
  #backed(snapshot: Snapshot): boolean {
    return this.subscriptions.cluster.idle(snapshot) && this.subscriptions.endpoint.idle(snapshot);
  }

  /** Endpoints go with their cluster, and a cluster only once no route that Envoy has points to it. */
  #mayRemove(kind: Kind, snapshot: Snapshot): boolean {
    // A filter's configuration is replaced; after a restart it is made a little later than the rest.
    if (kind === "endpoint" || kind === "extension") return false;
    if (kind !== "cluster") return true;
    return (this.#begun.has("route") || !this.#resumed) && this.subscriptions.route.upToDate(snapshot);
  }

  #send(kind: Kind, change: Change, snapshot: Snapshot): void {
    if (kind === "cluster") this.#sendsClusters(change, snapshot);
    const systemVersion = String(snapshot.number);
    const response =
      change instanceof Page
        ? change
        : { ...change, nonce: String(++this.#nonce), typeUrl: typeUrl(kind), systemVersion };
    this.subscriptions[kind].sending(change, response.nonce);
    this.#write(response);
  }

  /**
   * A cluster's endpoints follow at once: Envoy makes its watch for them as it reads the cluster, before it reads on.
   * A changed cluster warms anew, and waits for its endpoints even if they are the same.
   */
  #sendsClusters(change: Change, snapshot: Snapshot): void {
    const { endpoint } = this.subscriptions;
    const tour = change instanceof Page ? endpoint.touring : undefined;
    for (const name of change.removed) this.#waiting.delete(name);
    for (const { name } of change.resources) {
      this.#waiting.delete(name);
      this.#host.pushed(name);
      if (tour !== undefined) continue;
      const list = snapshot.aliases.get(name) ?? name;
      if (snapshot.resources.endpoint.has(list)) endpoint.sendAhead(list);
    }
    if (change instanceof Page) tour?.follow(change);
  }

  #askedClusters(first: boolean, request: DeltaRequest): void {
    const { cluster } = this.subscriptions;
    const known = request.initial_resource_versions;
    if (first) this.#host.has(known);
    const { resources } = this.#snapshot();
    for (const name of request.resource_names_subscribe) {
      // What Envoy has is not waited for; if it is of no use any more, it is taken away in its time.
      if (name === "*" || (first && known.has(name))) continue;
      if (resources.cluster.has(name)) this.#waiting.add(name);
      else if (this.#host.missing(name, !first)) this.#waiting.add(name);
      else cluster.tellGone(name);
    }
  }

  #answered(subscription: Subscription, { response_nonce, error_detail }: DeltaRequest): void {
    // An answer to an older response says nothing; what it subscribes to counts all the same.
    if (response_nonce === "" || subscription.inFlight?.nonce !== response_nonce) return;
    const { kind } = subscription;
    if (error_detail === undefined) {
      const change = subscription.ack(Date.now());
      if (kind === "endpoint") for (const { name } of change?.resources ?? []) this.#host.released(name);
      this.#host.accepted(kind, this);
      return;
    }
    const change = subscription.refuse(error_detail.message, Date.now());
    const names = change?.resources.map(({ name }) => name) ?? [];
    if (kind === "cluster") for (const name of names) this.subscriptions.endpoint.notAhead(name);
    this.#log.error(
      { envoy: this.node, kind, names, nack: error_detail.message },
      `Envoy refuses a ${kind} and keeps what it had`,
    );
    const versions = change?.resources.map(({ version }) => version) ?? [];
    this.#host.refused(kind, versions, error_detail.message);
  }

  #snapshot(): Snapshot {
    return this.#host.snapshot(this.#own);
  }

  #identify(node: NonNullable<DeltaRequest["node"]>): void {
    if (this.node === node.id) return;
    this.node = node.id;
    this.#own = ownListeners(node);
    const { major_number = 0, minor_number = 0, patch = 0 } = node.user_agent_build_version?.version ?? {};
    this.version = `${major_number}.${minor_number}.${patch}`;
    this.#log.info({ envoy: node.id, version: this.version }, "Envoy connected");
  }
}
