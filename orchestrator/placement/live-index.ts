import type { HostState } from "../../registry/hosts.ts";
import type { InstanceState, MeshState, ServiceState, VersionState } from "../../registry/state.ts";
import { versionKey } from "../../registry/target.ts";
import type { Start, Starts } from "../starts.ts";
import type { Amounts } from "./host.ts";
import { hostFacts } from "./host-facts.ts";
import { HostIndex } from "./host-index.ts";
import type { Occupant } from "./host-rows.ts";
import { repelledBy } from "./needs.ts";

/** Where placement looks. */
export interface Fleet {
  current(): MeshState;
  hosts(): readonly HostState[];
}

/**
 * Keeps a {@link HostIndex} equal to what Consul shows and what is being started. States keep the identity of what did not
 * change, so that only the rest is looked at.
 */
export class LiveIndex {
  readonly #fleet: Fleet;
  readonly #starts: Starts;
  readonly #prepared: (host: string) => ReadonlySet<string>;
  #hosts: readonly HostState[] = [];
  #lost: ReadonlySet<string> = new Set();
  #mesh: MeshState = { services: new Map() };
  /** Starts that are counted, by instance id. */
  readonly #counted = new Map<string, { readonly start: Start; readonly occupant: Occupant }>();
  /** What jobs have, by host. */
  readonly #jobs = new Map<string, Amounts>();
  #index = new HostIndex([]);

  /** @param prepared Bundles and images that a host has; read when an index is made. */
  constructor(fleet: Fleet, starts: Starts, prepared: (host: string) => ReadonlySet<string>) {
    this.#fleet = fleet;
    this.#starts = starts;
    this.#prepared = prepared;
  }

  /** The index as of now. */
  current(): HostIndex {
    const hosts = this.#fleet.hosts();
    if (!sameHosts(hosts, this.#hosts)) this.#begin(hosts);
    const mesh = this.#fleet.current();
    if (mesh !== this.#mesh) this.#follow(mesh);
    this.#followStarts();
    return this.#index;
  }

  /** Notes what jobs have on a host, in place of what was noted before; undefined: nothing. */
  setJobs(host: string, jobs: Amounts | undefined): void {
    if (jobs === undefined) this.#jobs.delete(host);
    else this.#jobs.set(host, jobs);
    this.#index.setJobs(host, jobs);
  }

  /** Notes that a host has a bundle or image, or has it no more; what is read of it must say so, too. */
  setPrepared(artifact: string, host: string, isThere: boolean): void {
    this.#index.setPrepared(artifact, host, isThere);
  }

  #begin(hosts: readonly HostState[]): void {
    this.#hosts = hosts;
    this.#lost = new Set(hosts.filter(({ lost }) => lost !== undefined).map(({ host }) => host));
    this.#index = new HostIndex(hosts.map((host) => hostFacts(host, this.#prepared(host.host))));
    for (const [host, jobs] of this.#jobs) this.#index.setJobs(host, jobs);
    this.#mesh = { services: new Map() };
    this.#counted.clear();
  }

  #follow(mesh: MeshState): void {
    for (const [name, before] of this.#mesh.services)
      if (!mesh.services.has(name)) this.#replaceService(before, undefined);
    for (const [name, now] of mesh.services) {
      const before = this.#mesh.services.get(name);
      if (before !== now) this.#replaceService(before, now);
    }
    this.#mesh = mesh;
  }

  #replaceService(before: ServiceState | undefined, now: ServiceState | undefined): void {
    for (const [version, state] of before?.versions ?? [])
      if (now?.versions.get(version) !== state) this.#change(state, -1);
    for (const [version, state] of now?.versions ?? [])
      if (before?.versions.get(version) !== state) this.#change(state, 1);
  }

  #change(state: VersionState, by: 1 | -1): void {
    for (const instance of state.instances)
      this.#index.change(instance.host, this.#occupant(state, instance), by);
  }

  #followStarts(): void {
    const shown = ({ instanceId, target }: Start) =>
      this.#version(target)?.instances.some(({ id }) => id === instanceId) === true;
    const here = new Set<string>();
    for (const start of this.#starts.all()) {
      const state = this.#version(start.target);
      if (state === undefined || shown(start)) continue;
      here.add(start.instanceId);
      const known = this.#counted.get(start.instanceId);
      if (known?.start === start) continue;
      if (known !== undefined) this.#index.change(known.start.host, known.occupant, -1);
      const occupant = this.#occupant(state, start);
      this.#counted.set(start.instanceId, { start, occupant });
      this.#index.change(start.host, occupant, 1);
    }
    for (const [id, { start, occupant }] of this.#counted) {
      if (here.has(id)) continue;
      this.#counted.delete(id);
      this.#index.change(start.host, occupant, -1);
    }
  }

  #version({ service, version }: Start["target"]): VersionState | undefined {
    return this.#mesh.services.get(service)?.versions.get(version);
  }

  #occupant({ manifest }: VersionState, instance: InstanceState | Start): Occupant {
    const isFrozen = "standby" in instance && instance.standby !== undefined;
    const { cpu, memory, gpu } = isFrozen ? NO_ROOM : manifest.resources;
    return {
      cpu,
      memory,
      gpu,
      service: manifest.service,
      version: versionKey(manifest),
      repels: repelledBy(manifest.placement),
      // What is lost is being replaced: it is in nobody's way.
      stays: !leaves(instance) && !this.#lost.has(instance.host),
    };
  }
}

function sameHosts(a: readonly HostState[], b: readonly HostState[]): boolean {
  return a.length === b.length && a.every((host, n) => host === b[n]);
}

/** A frozen instance is evicted by its agent when something else needs the room. */
const NO_ROOM = { cpu: 0, memory: 0, gpu: 0 };

/** Room that such an instance takes it takes until its end, but nobody need keep apart from it. */
function leaves(instance: InstanceState | Start): boolean {
  return "draining" in instance && (instance.retiring === true || instance.draining);
}
