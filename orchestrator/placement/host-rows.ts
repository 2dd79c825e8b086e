import type { Amounts, HostFacts, PlaceableHost } from "./host.ts";

/** What an instance takes of its host, and who it is. */
export interface Occupant extends Amounts {
  readonly service: string;
  /** "service@version". */
  readonly version: string;
  /** Services that must not be beside it. */
  readonly repels: readonly string[];
  /** False for one that is on its way out: it takes room, and that is all. */
  readonly stays: boolean;
}

/** Cores are added up in millionths: sums of decimal fractions would depend on what came and went before. */
const MICRO = 1e6;

/** A host with what runs there, kept by adding and removing. */
export class HostRow implements PlaceableHost {
  readonly facts: HostFacts;
  /** Place in the columns of an index. */
  slot = -1;
  #microCores = 0;
  #memory = 0;
  #gpu = 0;
  readonly versions = new Map<string, number>();
  readonly services = new Map<string, number>();
  readonly repels = new Map<string, Set<string>>();
  readonly #repelling: Occupant[] = [];
  #jobs: Amounts | undefined;

  constructor(facts: HostFacts) {
    this.facts = facts;
  }

  get name() {
    return this.facts.name;
  }
  get cpu() {
    return this.facts.cpu;
  }
  get memory() {
    return this.facts.memory;
  }
  get gpu() {
    return this.facts.gpu;
  }
  get labels() {
    return this.facts.labels;
  }
  get zone() {
    return this.facts.zone ?? "";
  }
  get runtime() {
    return this.facts.runtime ?? "";
  }
  get mode() {
    return this.facts.mode ?? "active";
  }
  get speed() {
    return this.facts.speed ?? 1;
  }
  get costPerHour() {
    return this.facts.costPerHour ?? 0;
  }
  get blame() {
    return this.facts.blame ?? 0;
  }
  get prepared() {
    return this.facts.prepared ?? NOTHING;
  }

  get used(): Amounts {
    return { cpu: this.#microCores / MICRO, memory: this.#memory, gpu: this.#gpu };
  }

  get jobs(): Amounts | undefined {
    return this.#jobs;
  }

  /** Notes what jobs have here, in place of what was noted before. */
  setJobs(jobs: Amounts | undefined): void {
    if (this.#jobs !== undefined) this.#take(this.#jobs, -1);
    if (jobs !== undefined) this.#take(jobs, 1);
    this.#jobs = jobs;
  }

  /** Adds (1) or takes away (−1) an instance. */
  change(occupant: Occupant, sign: 1 | -1): void {
    this.#take(occupant, sign);
    if (!occupant.stays) return;
    count(this.versions, occupant.version, sign);
    count(this.services, occupant.service, sign);
    if (occupant.repels.length > 0) this.#changeRepelling(occupant, sign);
  }

  #take({ cpu, memory, gpu }: Amounts, sign: 1 | -1): void {
    this.#microCores += sign * Math.round(cpu * MICRO);
    this.#memory += sign * memory;
    this.#gpu += sign * gpu;
  }

  #changeRepelling(occupant: Occupant, sign: 1 | -1): void {
    if (sign === 1) this.#repelling.push(occupant);
    else {
      const at = this.#repelling.findIndex(({ version }) => version === occupant.version);
      if (at >= 0) this.#repelling.splice(at, 1);
    }
    this.repels.clear();
    for (const { service, repels } of this.#repelling)
      for (const other of repels) this.repels.set(other, (this.repels.get(other) ?? new Set()).add(service));
  }
}

const NOTHING: ReadonlySet<string> = new Set();

/** Changes a count, and forgets it at 0. */
export function count<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  const now = (counts.get(key) ?? 0) + by;
  if (now > 0) counts.set(key, now);
  else counts.delete(key);
}
