import type { Logger } from "pino";
import { barredError } from "../../registry/approval.ts";
import type { MeshState, VersionState } from "../../registry/state.ts";
import { clusterName, parseClusterName, type Target } from "../../registry/target.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Endpoint } from "../resources/endpoints.ts";
import type { OwnListeners } from "../resources/own-listeners.ts";
import { type Extras, noExtras } from "../resources/plan.ts";
import { movedOn, unregistered } from "../resources/reasons.ts";
import type { MeshSettings } from "../resources/settings.ts";
import { changedServices } from "./changed.ts";
import { FormerGenerations } from "./former.ts";
import { Generations } from "./generations.ts";
import type { Kind, Resource } from "./resource.ts";
import { type Snapshot, SnapshotBuilder } from "./snapshot.ts";
import type { DeltaStream, StreamHost } from "./stream.ts";
import { Thawing } from "./thawing.ts";

/** What the control plane tells the rest of the process. */
export interface ControlEvents {
  /**
   * Calls are held for a cold generation. Said again for each Envoy that asks.
   *
   * @param thawing Id of the instance on standby that they are sent to ahead of its being thawed.
   */
  wanted(target: Target, thawing: string | undefined): void;
  /** Whether somebody hears what is wanted at once: only then calls are sent ahead. */
  heard(): boolean;
  /** An Envoy is sent the generation's cluster for the first time. */
  pushed(cluster: string): void;
  /** An Envoy has its endpoints. */
  released(cluster: string): void;
  /** Whether calls may be open on a cluster that the Envoy had from another control plane. */
  mayHaveCalls(stream: DeltaStream, cluster: string): boolean;
  /** Envoys know a generation of the version that Consul does not know any more: it must go on behind it. */
  behind(target: Target): void;
  /** Streams, what they accepted, or the snapshot changed. */
  moved(): void;
  /** Every connected Envoy has the newest configuration of the edge's JSON, or one refuses it. */
  jsonAccepted(): void;
  jsonRefused(versions: readonly string[], message: string): void;
}

/** Consul's watch shows an instance milliseconds after the orchestrator does; after this long it is not believed. */
const DOUBT_MS = 60_000;
/** So long calls are ended that are held for a version which is gone or may not run, ms: Envoys are told within that time. */
const ENDED_MS = 60_000;

interface Known {
  ready: Endpoint[];
  kept: boolean;
  silence?: RouseError;
}

/** Joins Consul's state with what the orchestrator says ahead of it, and keeps every stream up to date. */
export class Control implements StreamHost {
  readonly streams = new Set<DeltaStream>();
  readonly #builder: SnapshotBuilder;
  readonly #events: ControlEvents;
  readonly #log: Logger;
  readonly #known = new Map<string, Known>();
  readonly #extras = new Map<string, Extras>();
  /** Names in the extras that changed since the last snapshot. */
  readonly #renewed = new Set<string>();
  /** Clusters for which calls were held, and what answers in their place: the current generation's, or an error. */
  readonly #aliases = new Map<string, string | RouseError>();
  /** Clusters that Envoys came back with, and the state when they were looked through. */
  readonly #had = new WeakMap<ReadonlyMap<string, unknown>, MeshState>();
  readonly #former = new FormerGenerations();
  readonly #thawing = new Thawing();
  readonly #generations = new Generations();
  /** As Consul has it. */
  #given: MeshState;
  #state: MeshState;
  #snapshot: Snapshot | undefined;

  constructor(state: MeshState, settings: MeshSettings, events: ControlEvents, log: Logger) {
    this.#given = state;
    this.#state = this.#generations.hold({ services: new Map() }, state, state.services.keys());
    this.#builder = new SnapshotBuilder(settings);
    this.#events = events;
    this.#log = log;
  }

  get state(): MeshState {
    return this.#state;
  }

  /** Versions that Consul has in too early a generation, each with one that it must go beyond. */
  behind(): Iterable<Target> {
    return this.#generations.behind();
  }

  snapshot(own?: OwnListeners): Snapshot {
    if (this.#snapshot === undefined) {
      this.#snapshot = this.#builder.build(this.#state, this.#extras, this.#aliases, this.#renewed);
      this.#renewed.clear();
    }
    return own === undefined ? this.#snapshot : this.#builder.withListeners(this.#snapshot, own);
  }

  /** Takes a new state and sends what changed. */
  setState(given: MeshState): void {
    const changed = changedServices(this.#given, given);
    if (changed.size === 0) return;
    this.#given = given;
    const state = this.#generations.hold(this.#state, given, changed);
    this.#former.compare(this.#state, state, changed);
    this.#state = state;
    for (const [name, known] of this.#known) {
      if (changed.has(name.slice(0, name.indexOf("@")))) this.#reconcile(name, known);
    }
    for (const former of this.#former.versions()) this.#refresh(former);
    this.#change();
    for (const target of this.#generations.behind())
      if (changed.has(target.service)) this.#events.behind(target);
  }

  /** Notes that an Envoy knows a cluster. */
  #asked(target: Target): void {
    const generation = this.version(target)?.activation.generation;
    if (this.#generations.asked(target, generation)) this.#events.behind(target);
  }

  /** Takes an instance that serves, ahead of Consul. */
  ready(target: Target, endpoint: Endpoint): void {
    const version = this.version(target);
    if (version !== undefined && version.activation.generation > target.generation) return;
    if (
      version?.instances.some(
        ({ id, healthy, generation, standby }) =>
          id === endpoint.id && healthy && generation === target.generation && standby === undefined,
      )
    ) {
      return;
    }
    const name = clusterName(target);
    const known = this.#of(name);
    this.#thawing.settle(name);
    known.ready = [...known.ready.filter(({ id }) => id !== endpoint.id), endpoint];
    delete known.silence;
    this.#update(name, known);
    this.#change();
    setTimeout(() => this.#doubt(name, endpoint.id), DOUBT_MS).unref();
  }

  /** Consul never heard of it: whatever it was, it is no more. */
  #doubt(name: string, id: string): void {
    const known = this.#known.get(name);
    if (known === undefined || !known.ready.some((endpoint) => endpoint.id === id)) return;
    this.#log.warn(
      { cluster: name, instance: id },
      "an instance was said to be ready, but Consul never showed it",
    );
    known.ready = known.ready.filter((endpoint) => endpoint.id !== id);
    this.#update(name, known);
    this.#change();
  }

  /** Ends the calls that wait for the target with the error, as long as it does not serve. */
  silence(target: Target, error: RouseError): void {
    const name = clusterName(target);
    const known = this.#of(name);
    this.#thawing.fail(name);
    known.silence = error;
    this.#update(name, known);
    this.#change();
  }

  has(clusters: ReadonlyMap<string, unknown>): void {
    // Hundreds may come back with the same ones (proto/repeated.ts).
    if (this.#had.get(clusters) === this.#state) return;
    this.#had.set(clusters, this.#state);
    for (const name of clusters.keys()) if (this.#know(name)) this.#snapshot = undefined;
  }

  /** Notes that an Envoy has a cluster or is sent it. @returns whether the cluster is kept for that from now on. */
  #know(cluster: string): boolean {
    // Hundreds may come at once, each for all clusters.
    if (this.#known.get(cluster)?.kept === true) return false;
    const target = parseClusterName(cluster);
    if (target === undefined) return false;
    this.#asked(target);
    return this.version(target)?.activation.generation === target.generation && this.#keep(cluster);
  }

  missing(cluster: string, held: boolean): boolean {
    const target = parseClusterName(cluster);
    const version = target && this.version(target);
    if (target !== undefined) this.#asked(target);
    if (target === undefined || version === undefined)
      this.#log.warn({ cluster }, "an Envoy asks for a cluster of no registered version");
    if (target === undefined) return false;
    if (version === undefined) return this.#end(target, held, unregistered(target));
    if (version.barred === true)
      return this.#end(target, held, barredError(target.service, target.version, version.approval));
    const { generation, stopped } = version.activation;
    const current = { ...target, generation };
    if (target.generation < generation && !held) return this.#maybeHeld(target, current);
    // Calls were held just as the routes moved on: the generation that took its place answers them.
    if (target.generation < generation) this.#alias(cluster, clusterName(current));
    // A generation ahead of this state is on its way here; a stopped one says so itself.
    if (target.generation <= generation && stopped === undefined && !this.serves(current))
      this.#events.wanted(current, this.#sendAhead(current, version));
    return true;
  }

  /**
   * Answers a name of a former generation that a new stream brings: calls may be held for the last one, if the version moved on while
   * this Envoy had no control plane. They are answered if they can be at once, and else told to be made again, since most of
   * such names are only remembered, and must wake nothing.
   */
  #maybeHeld(former: Target, current: Target): boolean {
    if (former.generation < current.generation - 1) return false;
    const cluster = clusterName(former);
    const { failure, stopped } = this.version(current)?.activation ?? {};
    if (this.serves(current) || failure !== undefined || stopped !== undefined)
      this.#alias(cluster, clusterName(current));
    else if (!this.#aliases.has(cluster)) this.#alias(cluster, movedOn(former));
    return true;
  }

  /** Sends calls that are held to an instance on standby, if there is one. @returns its id. */
  #sendAhead(target: Target, version: VersionState): string | undefined {
    const { activation, barred } = version;
    if (activation.failure !== undefined || activation.stopped !== undefined || barred === true)
      return undefined;
    const name = clusterName(target);
    const known = this.#of(name);
    const before = this.#thawing.of(name);
    if (before === undefined && (known.silence !== undefined || !this.#events.heard())) return undefined;
    const chosen = this.#thawing.choose(name, version);
    if (chosen !== before) {
      this.#update(name, known);
      this.#snapshot = undefined;
    }
    return chosen?.id;
  }

  /** Has calls that are held for a cluster answered by another one, or by an error. */
  #alias(cluster: string, by: string | RouseError): void {
    if (this.#aliases.get(cluster) === by) return;
    this.#aliases.set(cluster, by);
    if (typeof by === "string")
      this.#log.debug({ cluster, by }, "a former generation's calls are answered by the current one");
    this.#snapshot = undefined;
  }

  /** Ends the calls that are held for a cluster which cannot come any more; of names that are only remembered, the latest. */
  #end(target: Target, held: boolean, error: RouseError): boolean {
    if (!held && !this.#generations.latest(target)) return false;
    this.#generations.spent(target);
    const cluster = clusterName(target);
    if (this.#aliases.get(cluster) instanceof RouseError) return true;
    this.#alias(cluster, error);
    const over = () => {
      if (this.#aliases.get(cluster) === error && this.#aliases.delete(cluster)) this.#change();
    };
    setTimeout(over, ENDED_MS).unref();
    return true;
  }

  /** No call is open on a former generation any more. */
  drained(target: Target): void {
    const stoodIn = this.#aliases.delete(clusterName(target));
    const kept = this.#former.drained(target);
    if (kept) this.#refresh(target);
    if (stoodIn || kept) this.#change();
  }

  /** Has the version's clusters made anew, with the former generations that it has now. */
  #refresh({ service, version }: Target): void {
    const generation = this.version({ service, version, generation: 0 })?.activation.generation;
    if (generation === undefined) return;
    const name = clusterName({ service, version, generation });
    this.#update(name, this.#of(name));
  }

  inUse(cluster: string, stream: DeltaStream): boolean {
    return this.#events.mayHaveCalls(stream, cluster);
  }

  pushed(cluster: string): void {
    this.#know(cluster);
    this.#events.pushed(cluster);
  }

  released(cluster: string): void {
    this.#events.released(cluster);
  }

  accepted(kind: Kind): void {
    if (kind === "route") this.#events.moved();
    if (kind !== "extension") return;
    const snapshot = this.snapshot();
    if ([...this.streams].every((stream) => stream.subscriptions.extension.upToDate(snapshot)))
      this.#events.jsonAccepted();
  }

  refused(kind: Kind, versions: readonly string[], message: string): void {
    if (kind === "extension") this.#events.jsonRefused(versions, message);
  }

  /** Takes the newest configuration of a filter and sends it. */
  setExtension(resource: Resource): void {
    if (this.#builder.setExtension(resource)) this.#change();
    // Envoys that have this very content say nothing any more.
    else this.accepted("extension");
  }

  /** Envoys are, or are being, sent an endpoint of the generation. */
  serves(target: Target): boolean {
    const known = this.#known.get(clusterName(target));
    if (known !== undefined && known.ready.length > 0) return true;
    const instances = this.version(target)?.instances ?? [];
    return instances.some(
      ({ generation, healthy, standby }) =>
        healthy && standby === undefined && generation === target.generation,
    );
  }

  version(target: Target): VersionState | undefined {
    return this.#state.services.get(target.service)?.versions.get(target.version);
  }

  /** What is known of a version's current generation ahead of Consul; replaced when it changes, never changed in place. */
  readonly extrasOf = (service: string, { manifest, activation }: VersionState): Extras => {
    const { version } = manifest;
    return this.#extras.get(clusterName({ service, version, generation: activation.generation })) ?? noExtras;
  };

  /** A generation that Envoys have keeps its cluster while it is current: once removed it could not be asked for again. */
  #keep(name: string): boolean {
    const known = this.#of(name);
    if (known.kept) return false;
    known.kept = true;
    this.#update(name, known);
    return true;
  }

  #of(name: string): Known {
    const known = this.#known.get(name) ?? { ready: [], kept: false };
    this.#known.set(name, known);
    return known;
  }

  /** Forgets what Consul knows by now, and what is of former generations. */
  #reconcile(name: string, known: Known): void {
    const target = parseClusterName(name);
    const version = target && this.version(target);
    if (target === undefined || version === undefined || version.activation.generation > target.generation) {
      this.#known.delete(name);
      this.#extras.delete(name);
      this.#renewed.add(name);
      this.#thawing.fail(name);
      return;
    }
    const lost = this.#thawing.reconcile(name, version);
    const seen = new Set(
      version.instances
        .filter(({ generation, standby }) => generation >= target.generation && standby === undefined)
        .map(({ id }) => id),
    );
    if (!lost && !known.ready.some(({ id }) => seen.has(id))) return;
    known.ready = known.ready.filter(({ id }) => !seen.has(id));
    this.#update(name, known);
  }

  #update(name: string, { ready, kept, silence }: Known): void {
    const target = parseClusterName(name);
    const former = target === undefined ? [] : this.#former.of(target.service, target.version);
    const thawing = this.#thawing.of(name);
    this.#renewed.add(name);
    this.#extras.set(name, {
      ready: thawing === undefined ? ready : [...ready, thawing],
      kept,
      ...(silence && { silence }),
      ...(former.length > 0 && { former }),
    });
  }

  #change(): void {
    this.#snapshot = undefined;
    for (const stream of this.streams) stream.flush();
    this.#events.moved();
  }
}
