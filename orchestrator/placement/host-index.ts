import { hourlyCost } from "../../registry/hourly-cost.ts";
import type { AffinityRule } from "../../registry/placement-rules.ts";
import { TOLERANCE } from "./amounts.ts";
import { isBare } from "./filter.ts";
import { type Amounts, type HostFacts, type PlaceableHost, splitLabel } from "./host.ts";
import { AttributeColumns, CapacityClasses } from "./host-columns.ts";
import { HostRow, type Occupant } from "./host-rows.ts";
import { type Needs, type SpreadRule, spreadsOf, versionOf } from "./needs.ts";
import {
  type Compared,
  cheapness,
  countSpread,
  crowding,
  packing,
  powerOfFree,
  speediness,
  WEIGHTS,
  wish,
} from "./score.ts";
import { Tallies, type Tally } from "./tally.ts";

/** What an index found. */
export interface Found {
  readonly host: PlaceableHost;
  readonly score: number;
  /** How many hosts fit. */
  readonly fitting: number;
  /** For the terms of the score; only good until something changes. */
  readonly compared: () => Compared;
}

/**
 * Hosts in columns of numbers, so that looking at all of them is quick: it decides exactly as place() does, which a test
 * compares. Slots are in the order of names, so that the first of equals wins.
 */
export class HostIndex {
  readonly #rows: HostRow[];
  readonly #byName: ReadonlyMap<string, HostRow>;
  readonly #versions = new Tallies();
  readonly #services = new Tallies();
  /** By service that must not come: where something keeps apart from it. */
  readonly #repelled = new Tallies();
  readonly #prepared = new Map<string, Set<HostRow>>();
  readonly #blamed: readonly HostRow[];
  readonly #columns: AttributeColumns;
  readonly #cpuClasses: CapacityClasses;
  readonly #memoryClasses: CapacityClasses;
  /** Less than any need where a host takes no instances. */
  readonly #freeCpu: Float64Array;
  readonly #freeMemory: Float64Array;
  readonly #freeGpu: Float64Array;
  readonly #cpuPower: Float64Array;
  readonly #memoryPower: Float64Array;
  /** Used anew by every search: hosts that rules bar, those that fit, and all terms but fit. */
  readonly #barred: Uint8Array;
  readonly #fitting: Int32Array;
  readonly #wishes: Float64Array;

  constructor(hosts: readonly HostFacts[]) {
    const size = hosts.length;
    this.#rows = hosts.map((facts) => new HostRow(facts)).sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#byName = new Map(this.#rows.map((row) => [row.name, row]));
    this.#blamed = this.#rows.filter(({ blame }) => blame > 0);
    this.#columns = new AttributeColumns(this.#rows);
    this.#cpuClasses = new CapacityClasses(this.#rows.map(({ cpu }) => cpu));
    this.#memoryClasses = new CapacityClasses(this.#rows.map(({ memory }) => memory));
    this.#freeCpu = new Float64Array(size);
    this.#freeMemory = new Float64Array(size);
    this.#freeGpu = new Float64Array(size);
    this.#cpuPower = new Float64Array(size);
    this.#memoryPower = new Float64Array(size);
    this.#barred = new Uint8Array(size);
    this.#fitting = new Int32Array(size);
    this.#wishes = new Float64Array(size);
    this.#rows.forEach((row, slot) => {
      row.slot = slot;
      this.#measure(row);
      for (const artifact of row.prepared) this.setPrepared(artifact, row.name, true);
    });
  }

  /** As place() sees them; not to be changed. */
  hosts(): readonly PlaceableHost[] {
    return this.#rows;
  }

  /** Notes an instance on a host, or that it is gone (−1). A host that is not known is none of its business. */
  change(host: string, occupant: Occupant, by: 1 | -1): void {
    const row = this.#byName.get(host);
    if (row === undefined) return;
    row.change(occupant, by);
    this.#measure(row);
    if (!occupant.stays) return;
    this.#versions.change(occupant.version, row, by);
    this.#services.change(occupant.service, row, by);
    for (const other of occupant.repels) this.#repelled.change(other, row, by);
  }

  /** Notes what jobs have on a host, in place of what was noted before; undefined: nothing. */
  setJobs(host: string, jobs: Amounts | undefined): void {
    const row = this.#byName.get(host);
    if (row === undefined) return;
    row.setJobs(jobs);
    this.#measure(row);
  }

  /** Notes that a host has a bundle or image, or has it no more; its facts must say so, too. */
  setPrepared(artifact: string, host: string, isThere: boolean): void {
    const row = this.#byName.get(host);
    if (row === undefined) return;
    const rows = this.#prepared.get(artifact) ?? new Set();
    if (isThere) this.#prepared.set(artifact, rows.add(row));
    else if (rows.delete(row) && rows.size === 0) this.#prepared.delete(artifact);
  }

  /** The host that place() would choose; undefined when none fits. */
  find(needs: Needs): Found | undefined {
    const version = versionOf(needs);
    const there = this.#versions.of(version);
    this.#barred.fill(0);
    this.#bar(needs, there);
    const fitting = this.#filter(needs);
    if (fitting === 0) return undefined;
    this.#wishes.fill(0);
    const fewest = spreadsOf(needs).map((rule) => this.#wishApart(rule, there, fitting));
    const [fastest, dearest] = this.#wishRest(needs, fitting);
    const compared = () => ({
      instances: countSpread(needs, there?.rows.keys() ?? []),
      fewest,
      fastest,
      dearest,
    });
    const { slot, score } = this.#best(needs, fitting);
    const host = this.#rows[slot];
    return host && { host, score, fitting, compared };
  }

  #measure(row: HostRow): void {
    const { slot, cpu, memory, gpu } = row;
    const used = row.used;
    this.#freeCpu[slot] = row.mode === "active" ? cpu - used.cpu + TOLERANCE : Number.NEGATIVE_INFINITY;
    this.#freeMemory[slot] = memory - used.memory;
    this.#freeGpu[slot] = gpu - used.gpu;
    this.#cpuPower[slot] = powerOfFree(used.cpu, cpu);
    this.#memoryPower[slot] = powerOfFree(used.memory, memory);
  }

  /** Marks hosts that rules keep the instance from. */
  #bar(needs: Needs, there: Tally | undefined): void {
    const barred = this.#barred;
    const { rules } = needs;
    for (const [name, value] of Object.entries(needs.labels)) this.#barValue(name, value, false);
    if (needs.image === true) for (const row of this.#rows) if (isBare(row)) barred[row.slot] = 1;
    for (const row of this.#repelled.rows(needs.service ?? "")) barred[row.slot] = 1;
    if (rules === undefined) return;
    for (const { over, strict } of rules.spread)
      if (strict && there !== undefined) this.#barTaken(over, there);
    for (const rule of rules.affinity) if (rule.strict) this.#barRule(rule, false);
    for (const rule of rules.antiAffinity) if (rule.strict) this.#barRule(rule, true);
    const most = rules.maxCostPerHour;
    if (most === undefined) return;
    const costs = costPerHour(needs, there);
    for (const row of this.#rows)
      if (!(costs + hourlyCost(needs, row) <= most + TOLERANCE)) barred[row.slot] = 1;
  }

  /** Bars hosts at whose value there is an instance already. */
  #barTaken(over: string, there: Tally): void {
    const barred = this.#barred;
    if (over === "host") {
      for (const row of there.rows.keys()) barred[row.slot] = 1;
      return;
    }
    const column = this.#columns.of(over);
    const counts = there.counts(over, column);
    const { ids } = column;
    for (let slot = 0; slot < ids.length; slot++)
      if ((counts[ids[slot] as number] as number) > 0) barred[slot] = 1;
  }

  /** Bars hosts with a value, or all others. */
  #barValue(name: string, value: string, having: boolean): void {
    const barred = this.#barred;
    const { ids, byValue } = this.#columns.of(name);
    const id = byValue.get(value) ?? -1;
    for (let slot = 0; slot < ids.length; slot++) if ((ids[slot] === id) === having) barred[slot] = 1;
  }

  /** Bars hosts that a rule speaks of, or all others. */
  #barRule({ label, service }: AffinityRule, having: boolean): void {
    if (label !== undefined) this.#barValue(...splitLabel(label), having);
    if (service === undefined) return;
    const there = this.#services.of(service)?.rows;
    for (const row of this.#rows) if ((there?.has(row) ?? false) === having) this.#barred[row.slot] = 1;
  }

  /** Lists hosts that fit. @returns how many. */
  #filter({ cpu, memory, gpu }: Needs): number {
    const [barred, list] = [this.#barred, this.#fitting];
    const [freeCpu, freeMemory, freeGpu] = [this.#freeCpu, this.#freeMemory, this.#freeGpu];
    const size = barred.length;
    let fitting = 0;
    for (let slot = 0; slot < size; slot++) {
      if (
        cpu <= (freeCpu[slot] as number) &&
        memory <= (freeMemory[slot] as number) &&
        gpu <= (freeGpu[slot] as number) &&
        barred[slot] === 0
      )
        list[fitting++] = slot;
    }
    return fitting;
  }

  /** Adds what speaks against hosts with other instances. @returns the fewest at a value that a fitting host has. */
  #wishApart(rule: SpreadRule, there: Tally | undefined, fitting: number): number {
    if (there === undefined) return 0;
    const weight = wish(rule);
    const wishes = this.#wishes;
    // Each host is a value of its own, and most have none: where more fit than have one, some fitting host has none.
    if (rule.over === "host" && fitting > there.rows.size) {
      for (const [{ slot }, here] of there.rows)
        wishes[slot] = (wishes[slot] as number) + weight * crowding(here, 0);
      return 0;
    }
    const list = this.#fitting;
    const column = this.#columns.of(rule.over);
    const counts = there.counts(rule.over, column);
    const { ids } = column;
    let fewest = Number.POSITIVE_INFINITY;
    for (let n = 0; n < fitting && fewest > 0; n++)
      fewest = Math.min(fewest, counts[ids[list[n] as number] as number] as number);
    const scores = Float64Array.from(counts, (here) => (here < fewest ? 0 : weight * crowding(here, fewest)));
    for (let n = 0; n < fitting; n++) {
      const slot = list[n] as number;
      wishes[slot] = (wishes[slot] as number) + (scores[ids[slot] as number] as number);
    }
    return fewest;
  }

  /** Adds the other terms, in the order of termsOf(). @returns the highest speed and cost that it compared with. */
  #wishRest(needs: Needs, fitting: number): readonly [fastest: number, dearest: number] {
    const { rules } = needs;
    for (const rule of rules?.affinity ?? []) if (!rule.strict) this.#wishRule(rule, wish(rule));
    for (const rule of rules?.antiAffinity ?? []) if (!rule.strict) this.#wishRule(rule, -wish(rule));
    const most = this.#wishPreferred(needs, fitting);
    for (const [zone, share] of needs.callers ?? []) this.#wishValue("zone", zone, WEIGHTS.callers * share);
    for (const { slot } of this.#prepared.get(needs.artifact ?? "") ?? []) this.#add(slot, WEIGHTS.prepared);
    for (const { slot, blame } of this.#blamed) this.#add(slot, -WEIGHTS.blame * blame);
    for (const name of needs.failedOn ?? []) {
      const row = this.#byName.get(name);
      if (row !== undefined) this.#add(row.slot, -WEIGHTS.failed);
    }
    return most;
  }

  #wishPreferred(needs: Needs, fitting: number): readonly [fastest: number, dearest: number] {
    const prefer = needs.rules?.prefer;
    if (prefer === undefined) return [0, 0];
    const rows = Array.from(this.#fitting.subarray(0, fitting), (slot) => this.#rows[slot] as HostRow);
    let most = 0;
    if (prefer === "fast") {
      for (const { speed } of rows) most = Math.max(most, speed);
      for (const { slot, speed } of rows) this.#add(slot, WEIGHTS.prefer * speediness(speed, most));
      return [most, 0];
    }
    const costs = rows.map((row) => hourlyCost(needs, row));
    for (const cost of costs) most = Math.max(most, cost);
    rows.forEach(({ slot }, n) => {
      this.#add(slot, WEIGHTS.prefer * cheapness(costs[n] as number, most));
    });
    return [0, most];
  }

  #wishRule({ label, service }: AffinityRule, score: number): void {
    if (label !== undefined) this.#wishValue(...splitLabel(label), score);
    for (const { slot } of this.#services.rows(service)) this.#add(slot, score);
  }

  #wishValue(name: string, value: string, score: number): void {
    const { ids, byValue } = this.#columns.of(name);
    const id = byValue.get(value);
    if (id === undefined) return;
    for (let slot = 0; slot < ids.length; slot++) if (ids[slot] === id) this.#add(slot, score);
  }

  #add(slot: number, score: number): void {
    this.#wishes[slot] = (this.#wishes[slot] as number) + score;
  }

  /** Of those that fit the one with the highest score, the first of equals. */
  #best(needs: Needs, fitting: number): { readonly slot: number; readonly score: number } {
    const [list, wishes] = [this.#fitting, this.#wishes];
    const [cpuPower, memoryPower] = [this.#cpuPower, this.#memoryPower];
    const [cpuClass, cpuNeeds] = [this.#cpuClasses.classOf, this.#cpuClasses.powers(needs.cpu)];
    const [memoryClass, memoryNeeds] = [
      this.#memoryClasses.classOf,
      this.#memoryClasses.powers(needs.memory),
    ];
    let best = -1;
    let highest = Number.NEGATIVE_INFINITY;
    for (let n = 0; n < fitting; n++) {
      const slot = list[n] as number;
      const full = packing(
        cpuPower[slot] as number,
        memoryPower[slot] as number,
        cpuNeeds[cpuClass[slot] as number] as number,
        memoryNeeds[memoryClass[slot] as number] as number,
      );
      const score = WEIGHTS.fit * full + (wishes[slot] as number);
      if (score > highest) {
        highest = score;
        best = slot;
      }
    }
    return { slot: best, score: highest };
  }
}

/** What the version's instances cost by now; added up as occupancy() does, host by host. */
function costPerHour(needs: Needs, there: Tally | undefined): number {
  let sum = 0;
  for (const [row, instances] of [...(there?.rows ?? [])].sort(([a], [b]) => a.slot - b.slot))
    sum += instances * hourlyCost(needs, row);
  return sum;
}
