import fc from "fast-check";
import type { AffinityRule, PlacementRules } from "../../../registry/placement-rules.ts";
import type { HostFacts, PlaceableHost } from "../host.ts";
import { type Needs, repelledBy, versionOf } from "../needs.ts";

/** What happens to a fleet: one more instance, or one less. */
export type Arrival =
  | { readonly kind: "come"; readonly needs: Needs }
  | { readonly kind: "leave"; readonly which: number };

const SERVICES = ["a.v1.A", "b.v1.B", "c.v1.C", "d.v1.D"] as const;
const weight = fc.integer({ min: 1, max: 100 });
const label = fc.constantFrom("disk=ssd", "disk=hdd", "zone=east", "zone=west");

/** Up to nine hosts of two sizes. */
export function anyHosts(): fc.Arbitrary<HostFacts[]> {
  const facts = fc.record({
    size: fc.constantFrom(1, 1, 4),
    gpu: fc.constantFrom(0, 0, 2),
    zone: fc.constantFrom("", "east", "west"),
    disk: fc.constantFrom("ssd", "hdd"),
    mode: fc.constantFrom("active", "active", "active", "cordoned", "draining", "away"),
    runtime: fc.constantFrom("docker", "process"),
    speed: fc.constantFrom(1, 1, 2.5),
    costPerHour: fc.constantFrom(0, 0.4, 1),
    blame: fc.constantFrom(0, 0, 0.5),
    isPrepared: fc.boolean(),
  });
  return fc.array(facts, { maxLength: 9, size: "max" }).map((hosts) =>
    hosts.map(({ size, disk, isPrepared, ...rest }, n) => ({
      ...rest,
      name: `h${n}`,
      cpu: 4 * size,
      memory: size * 8 * 2 ** 30,
      labels: { disk, zone: rest.zone },
      ...(isPrepared ? { prepared: new Set(["bundle of a.v1.A", "bundle of b.v1.B"]) } : {}),
    })),
  );
}

/** Services with random rules, and instances of them that come and go. */
export function anyArrivals(): fc.Arbitrary<Arrival[]> {
  const catalog = fc.tuple(...SERVICES.map((service) => anyService(service)));
  const steps = fc.array(fc.tuple(fc.nat({ max: 9 }), fc.nat()), { minLength: 10, maxLength: 60 });
  return fc.tuple(catalog, steps).map(([services, happenings]) =>
    happenings.map(([chance, which]): Arrival => {
      const needs = services[which % services.length];
      return chance < 2 || needs === undefined ? { kind: "leave", which } : { kind: "come", needs };
    }),
  );
}

function anyService(service: string): fc.Arbitrary<Needs> {
  return fc
    .record({
      tenths: fc.integer({ min: 1, max: 30 }),
      mebi: fc.integer({ min: 32, max: 4_096 }),
      gpu: fc.constantFrom(0, 0, 0, 1),
      disk: fc.constantFrom(undefined, undefined, "ssd"),
      image: fc.boolean(),
      rules: fc.option(anyRules(), { nil: undefined }),
      failedOn: fc.constantFrom(undefined, new Set(["h0", "h1"])),
      callers: fc.constantFrom(undefined, new Map([["east", 0.75]])),
    })
    .map(({ tenths, mebi, disk, rules, failedOn, callers, ...rest }) => ({
      ...rest,
      service,
      version: "1.0.0",
      artifact: `bundle of ${service}`,
      cpu: tenths / 10,
      memory: mebi * 2 ** 20,
      labels: disk === undefined ? {} : { disk },
      ...(rules === undefined ? {} : { rules }),
      ...(failedOn === undefined ? {} : { failedOn }),
      ...(callers === undefined ? {} : { callers }),
    }));
}

function anyRules(): fc.Arbitrary<PlacementRules> {
  const over = fc.constantFrom("host", "zone", "disk");
  const spread = fc.array(fc.record({ over, strict: fc.boolean(), weight }), { maxLength: 2 });
  const affinity = fc.array(anyAffinity(), { maxLength: 2 });
  return fc
    .record({
      spread,
      affinity,
      antiAffinity: affinity,
      prefer: fc.constantFrom(undefined, "fast" as const, "cheap" as const),
      maxCostPerHour: fc.constantFrom(undefined, 0.5),
    })
    .map(({ prefer, maxCostPerHour, ...rest }) => ({
      ...rest,
      ...(prefer === undefined ? {} : { prefer }),
      ...(maxCostPerHour === undefined ? {} : { maxCostPerHour }),
    }));
}

function anyAffinity(): fc.Arbitrary<AffinityRule> {
  // A rule that is strict about a service would leave little to place.
  const strict = fc.constantFrom(false, false, false, true);
  return fc.oneof(
    fc.record({ label, strict, weight }),
    fc.record({ service: fc.constantFrom(...SERVICES), strict, weight }),
  );
}

/** Who runs where, kept the simplest way. */
export class Ledger {
  readonly #facts: readonly HostFacts[];
  #placed: { readonly host: string; readonly needs: Needs }[] = [];

  constructor(facts: readonly HostFacts[]) {
    this.#facts = facts;
  }

  add(host: string, needs: Needs): void {
    this.#placed.push({ host, needs });
  }

  /** @returns the one that left; undefined when there is none. */
  leave(which: number): { readonly host: string; readonly needs: Needs } | undefined {
    if (this.#placed.length === 0) return undefined;
    return this.#placed.splice(which % this.#placed.length, 1)[0];
  }

  /** Each of those that are placed, and the hosts as they would be without it. */
  *withoutOne(): Generator<{
    readonly host: string;
    readonly needs: Needs;
    readonly hosts: PlaceableHost[];
  }> {
    for (const [at, one] of this.#placed.entries()) {
      const rest = new Ledger(this.#facts);
      rest.#placed = this.#placed.toSpliced(at, 1);
      yield { ...one, hosts: rest.hosts() };
    }
  }

  /** Hosts with an instance of the version. */
  of(needs: Needs): PlaceableHost[] {
    return this.hosts().filter((host) => host.versions?.has(versionOf(needs) ?? "") === true);
  }

  hosts(): PlaceableHost[] {
    return this.#facts.map((facts) => {
      const here = this.#placed.filter(({ host }) => host === facts.name).map(({ needs }) => needs);
      const sum = (of: (needs: Needs) => number) => here.reduce((all, needs) => all + of(needs), 0);
      const count = (of: (needs: Needs) => string) =>
        here.reduce(
          (all, needs) => all.set(of(needs), (all.get(of(needs)) ?? 0) + 1),
          new Map<string, number>(),
        );
      return {
        ...facts,
        used: {
          cpu: sum(({ cpu }) => Math.round(cpu * 1e6)) / 1e6,
          memory: sum(({ memory }) => memory),
          gpu: sum(({ gpu }) => gpu),
        },
        versions: count((needs) => versionOf(needs) ?? ""),
        services: count(({ service = "" }) => service),
        repels: repelledHere(here),
      };
    });
  }
}

function repelledHere(here: readonly Needs[]): Map<string, Set<string>> {
  const repels = new Map<string, Set<string>>();
  for (const { rules, service = "" } of here)
    for (const other of repelledBy(rules)) repels.set(other, (repels.get(other) ?? new Set()).add(service));
  return repels;
}
