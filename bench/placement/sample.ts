import type { HostFacts } from "../../orchestrator/placement/host.ts";
import type { Occupant } from "../../orchestrator/placement/host-rows.ts";
import { type Needs, repelledBy, versionOf } from "../../orchestrator/placement/needs.ts";
import type { PlacementRules } from "../../registry/placement-rules.ts";

type Random = () => number;

/** One instance that wants a host. */
export interface Instance {
  readonly needs: Needs;
  readonly occupant: Occupant;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const GIB = 2 ** 30;
/** Cores, GiB, GPUs, cost per hour, share of the fleet. */
const SIZES = [
  [4, 16, 0, 0.2, 0.3],
  [8, 32, 0, 0.38, 0.3],
  [16, 64, 0, 0.74, 0.25],
  [32, 128, 0, 1.4, 0.1],
  [16, 128, 4, 4.2, 0.05],
] as const;

/** A fleet of five kinds of hosts in three zones and racks of 40. */
export function sampleHosts(count: number, random: Random): HostFacts[] {
  return Array.from({ length: count }, (_, n) => {
    const [cpu, memory, gpu, costPerHour] = pickBy(SIZES, ([, , , , share]) => share, random);
    const zone = `zone-${n % 3}`;
    return {
      name: `host-${String(n).padStart(5, "0")}`,
      cpu,
      memory: memory * GIB,
      gpu,
      costPerHour,
      zone,
      speed: pick([1, 1, 1.3, 1.8], random),
      labels: { disk: pick(["ssd", "ssd", "hdd"], random), rack: `rack-${Math.floor(n / 40)}` },
      runtime: "docker",
      blame: random() < 0.01 ? 0.5 : 0,
    };
  });
}

/** Services of many sizes, half of them with rules. */
export function sampleServices(count: number, random: Random): Needs[] {
  return Array.from({ length: count }, (_, n) => {
    const rules = random() < 0.5 ? sampleRules(count, random) : undefined;
    return {
      service: `bench.v1.Service${n}`,
      version: "1.0.0",
      cpu: pick([0.1, 0.25, 0.25, 0.5, 0.5, 1, 2], random),
      memory: pick([128, 256, 512, 1_024, 2_048, 4_096], random) * 2 ** 20,
      gpu: random() < 0.01 ? 1 : 0,
      labels: random() < 0.05 ? { disk: "ssd" } : {},
      ...(rules === undefined ? {} : { rules }),
    };
  });
}

function sampleRules(services: number, random: Random): PlacementRules {
  const rules: PlacementRules = { spread: [], affinity: [], antiAffinity: [] };
  const other = `bench.v1.Service${Math.floor(random() * services)}`;
  const kind = random();
  if (kind < 0.35) return { ...rules, spread: [{ over: "zone", strict: false, weight: 100 }] };
  if (kind < 0.5) return { ...rules, spread: [{ over: "host", strict: true, weight: 100 }] };
  if (kind < 0.65) return { ...rules, affinity: [{ label: "disk=ssd", strict: false, weight: 50 }] };
  if (kind < 0.75) return { ...rules, affinity: [{ service: other, strict: false, weight: 50 }] };
  if (kind < 0.85) return { ...rules, antiAffinity: [{ service: other, strict: true, weight: 50 }] };
  if (kind < 0.95) return { ...rules, prefer: random() < 0.5 ? "cheap" : "fast" };
  return { ...rules, maxCostPerHour: 5 };
}

/** Instances of the services in random order, few services having many. */
export function instancesOf(services: readonly Needs[], count: number, random: Random): Instance[] {
  const all = services.map((needs) => ({ needs, occupant: occupantOf(needs) }));
  return Array.from({ length: count }, () => all[Math.floor(random() ** 2 * all.length)] ?? missing());
}

function occupantOf(needs: Needs): Occupant {
  const { cpu, memory, gpu, service = "", rules } = needs;
  return {
    cpu,
    memory,
    gpu,
    service,
    version: versionOf(needs) ?? "",
    repels: repelledBy(rules),
    stays: true,
  };
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[Math.floor(random() * from.length)] ?? missing();
}

function pickBy<T>(from: readonly T[], share: (one: T) => number, random: Random): T {
  let left = random();
  for (const one of from) {
    left -= share(one);
    if (left <= 0) return one;
  }
  return from.at(-1) ?? missing();
}

function missing(): never {
  throw new Error("there is nothing to choose from");
}
