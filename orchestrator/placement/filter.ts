import { hourlyCost } from "../../registry/hourly-cost.ts";
import { type Amounts, attribute, type HostMode, type PlaceableHost } from "./host.ts";
import { type Needs, spreadsOf, versionOf } from "./needs.ts";
import { countSpread, matches } from "./score.ts";

/** Why an instance cannot be placed on a host, and what would have to change for that. */
export interface Misfit {
  /** Predicate of the host's name: "has 0.25 of 4 cores free, 0.5 needed". */
  readonly why: string;
  /** Imperative: "free 0.25 cores on b". */
  readonly change: string;
  /** How much is asked for with that, to find the smallest; a command is 1, a new machine 100. */
  readonly effort: number;
}

/** What a filter must know of all hosts. */
export interface Occupancy {
  /** Instances of the version by value, for each spread rule. */
  readonly instances: readonly ReadonlyMap<string, number>[];
  /** What the version's instances cost in an hour by now. */
  readonly costPerHour: number;
}

export function occupancy(needs: Needs, hosts: readonly PlaceableHost[]): Occupancy {
  const version = versionOf(needs);
  let costPerHour = 0;
  if (version !== undefined && needs.rules?.maxCostPerHour !== undefined) {
    for (const host of hosts) {
      const here = host.versions?.get(version) ?? 0;
      if (here > 0) costPerHour += here * hourlyCost(needs, host);
    }
  }
  return { instances: countSpread(needs, hosts), costPerHour };
}

/** Sums of decimal fractions differ in the last bits. */
export const TOLERANCE = 1e-9;

/** Whether the host can take the instance; as {@link misfits}, without words. */
export function fits(needs: Needs, host: PlaceableHost, taken: Occupancy): boolean {
  const { rules } = needs;
  return (
    (host.mode ?? "active") === "active" &&
    needs.cpu <= host.cpu - host.used.cpu + TOLERANCE &&
    needs.memory <= host.memory - host.used.memory &&
    needs.gpu <= host.gpu - host.used.gpu &&
    !(needs.image === true && isBare(host)) &&
    Object.entries(needs.labels).every(([name, value]) => attribute(host, name) === value) &&
    spreadsOf(needs).every(
      ({ over, strict }, n) => !strict || (taken.instances[n]?.get(attribute(host, over)) ?? 0) === 0,
    ) &&
    (rules?.affinity ?? []).every((rule) => !rule.strict || matches(rule, host)) &&
    (rules?.antiAffinity ?? []).every((rule) => !rule.strict || !matches(rule, host)) &&
    host.repels?.has(needs.service ?? "") !== true &&
    (rules?.maxCostPerHour === undefined ||
      taken.costPerHour + hourlyCost(needs, host) <= rules.maxCostPerHour + TOLERANCE)
  );
}

/** Whether the host's runtime runs bundles only. */
export function isBare({ runtime }: PlaceableHost): boolean {
  return runtime === "process" || runtime === "in-process";
}

/** All that keeps an instance from a host; empty where it fits. */
export function misfits(needs: Needs, host: PlaceableHost, taken: Occupancy): Misfit[] {
  return [
    ...modeMisfit(host),
    ...labelMisfits(needs, host),
    ...runtimeMisfit(needs, host),
    ...roomMisfits(needs, host),
    ...spreadMisfits(needs, host, taken),
    ...affinityMisfits(needs, host),
    ...costMisfit(needs, host, taken),
  ];
}

const MODES: Readonly<
  Record<Exclude<HostMode, "active">, readonly [why: string, change: string, effort: number]>
> = {
  cordoned: ["is cordoned", "uncordon", 1],
  draining: ["is being drained", "uncordon", 2],
  maintenance: ["is in maintenance", "uncordon", 3],
  away: ["does not answer", "bring back", 20],
};

function modeMisfit({ name, mode = "active" }: PlaceableHost): Misfit[] {
  if (mode === "active") return [];
  const [why, change, effort] = MODES[mode];
  return [{ why, change: `${change} ${name}`, effort }];
}

function labelMisfits(needs: Needs, host: PlaceableHost): Misfit[] {
  return Object.entries(needs.labels)
    .filter(([label, value]) => attribute(host, label) !== value)
    .map(([label, value]) => lacks(`${label}=${value}`, host));
}

function lacks(label: string, host: PlaceableHost): Misfit {
  return { why: `lacks the label ${label}`, change: `give ${host.name} the label ${label}`, effort: 10 };
}

function runtimeMisfit(needs: Needs, host: PlaceableHost): Misfit[] {
  if (needs.image !== true || !isBare(host)) return [];
  return [
    {
      why: `runs no images (its runtime is ${host.runtime})`,
      change: `run the agent of ${host.name} with --runtime docker`,
      effort: 15,
    },
  ];
}

interface Kind {
  readonly name: keyof Amounts;
  readonly unit: string;
  readonly tolerance: number;
  readonly round: (amount: number, up: boolean) => number;
}

const KINDS: readonly Kind[] = [
  { name: "gpu", unit: "GPUs", tolerance: 0, round: (count) => count },
  { name: "cpu", unit: "cores", tolerance: TOLERANCE, round: roundCores },
  { name: "memory", unit: "MiB", tolerance: 0, round: roundMebibytes },
];

function roomMisfits(needs: Needs, host: PlaceableHost): Misfit[] {
  const short = KINDS.filter(({ name, tolerance }) => needs[name] > host[name] - host.used[name] + tolerance);
  if (short.length === 0) return [];
  const why = short.map(({ name, unit, round }) => {
    const [free, all] = [round(host[name] - host.used[name], false), round(host[name], false)];
    const jobs = round(host.jobs?.[name] ?? 0, true);
    const beside = jobs === 0 ? "" : ` (jobs have ${jobs})`;
    return `${free} of ${all} ${unit} free${beside}, ${round(needs[name], true)}${name === "memory" ? " MiB" : ""} needed`;
  });
  const tooSmall = short.some(({ name, tolerance }) => needs[name] > host[name] + tolerance);
  const amounts = short.map(({ name, unit, round }) => {
    const amount = tooSmall ? needs[name] : needs[name] - (host[name] - host.used[name]);
    return `${round(amount, true)} ${unit}`;
  });
  const effort = short.reduce(
    (sum, { name }) => sum + 2 + (needs[name] + host.used[name]) / host[name] - 1,
    0,
  );
  return [
    {
      why: `has ${why.join(", and ")}`,
      change: tooSmall
        ? `add a host with ${amounts.join(" and ")}`
        : `free ${amounts.join(" and ")} on ${host.name}`,
      effort: tooSmall ? 100 : effort,
    },
  ];
}

function spreadMisfits(needs: Needs, host: PlaceableHost, taken: Occupancy): Misfit[] {
  return spreadsOf(needs).flatMap(({ over, strict }, n) => {
    const value = attribute(host, over);
    if (!strict || (taken.instances[n]?.get(value) ?? 0) === 0) return [];
    if (over === "host")
      return [{ why: "runs an instance of it already", change: "add a host", effort: 100 }];
    const why =
      value === ""
        ? `has no ${over}, and neither has a host that runs an instance of it already`
        : `is in ${over} ${value}, which has an instance of it already`;
    return [{ why, change: `add a host of another ${over}`, effort: 101 }];
  });
}

function affinityMisfits(needs: Needs, host: PlaceableHost): Misfit[] {
  const found: Misfit[] = [];
  for (const rule of needs.rules?.affinity ?? []) {
    if (!rule.strict || matches(rule, host)) continue;
    if (rule.label !== undefined) found.push(lacks(rule.label, host));
    else
      found.push({
        why: `runs no instance of ${rule.service}`,
        change: `start ${rule.service} on ${host.name}`,
        effort: 6,
      });
  }
  for (const rule of needs.rules?.antiAffinity ?? []) {
    if (!rule.strict || !matches(rule, host)) continue;
    if (rule.label !== undefined)
      found.push({
        why: `has the label ${rule.label}, which the contract avoids`,
        change: `take the label ${rule.label} from ${host.name}`,
        effort: 10,
      });
    else
      found.push({
        why: `runs ${rule.service}, from which it keeps apart`,
        change: `move ${rule.service} off ${host.name}`,
        effort: 5,
      });
  }
  const by = host.repels?.get(needs.service ?? "");
  if (by !== undefined)
    found.push({
      why: `runs ${by}, which keeps apart from it`,
      change: `move ${by} off ${host.name}`,
      effort: 5,
    });
  return found;
}

function costMisfit(needs: Needs, host: PlaceableHost, taken: Occupancy): Misfit[] {
  const most = needs.rules?.maxCostPerHour;
  const cost = taken.costPerHour + hourlyCost(needs, host);
  if (most === undefined || cost <= most + TOLERANCE) return [];
  return [
    {
      why: `would bring the cost to ${money(cost)} per hour, ${money(most)} allowed`,
      change: `raise max_cost_per_hour to ${money(Math.ceil(cost * 1_000) / 1_000)}`,
      effort: 4,
    },
  ];
}

function money(amount: number): string {
  return String(Math.round(amount * 1_000) / 1_000);
}

function roundCores(cores: number, up: boolean): number {
  return up ? Math.ceil(cores * 100 - 1e-6) / 100 : Math.round(cores * 100) / 100;
}

function roundMebibytes(bytes: number, up: boolean): number {
  return up ? Math.ceil(bytes / 2 ** 20) : Math.floor(bytes / 2 ** 20);
}
