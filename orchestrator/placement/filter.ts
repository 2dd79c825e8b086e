import { hourlyCost } from "../../registry/hourly-cost.ts";
import { KINDS, TOLERANCE } from "./amounts.ts";
import { attribute, type HostMode, type PlaceableHost, splitLabel } from "./host.ts";
import { freed, hostMend, type Mend, withoutService } from "./mend.ts";
import { type Needs, spreadsOf, versionOf } from "./needs.ts";
import { countSpread, matches } from "./score.ts";

/** Why an instance cannot be placed on a host, and what would have to change for that. */
export interface Misfit {
  /** Predicate of the host's name: "has 0.25 of 4 cores free, 0.5 needed". */
  readonly why: string;
  /** Absent: this host will not do, whatever is done to it. */
  readonly mend?: Mend;
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
  return [{ why, mend: hostMend(`${change} ${name}`, effort, () => ({ mode: "active" })) }];
}

function labelMisfits(needs: Needs, host: PlaceableHost): Misfit[] {
  return Object.entries(needs.labels)
    .filter(([label, value]) => attribute(host, label) !== value)
    .map(([label, value]) => lacks(`${label}=${value}`, host));
}

function lacks(label: string, { name: host }: PlaceableHost): Misfit {
  const why = `lacks the label ${label}`;
  const [name, value] = splitLabel(label);
  // Who it is and where it stands are no words that could be changed.
  if (name === "host" || name === "zone") return { why };
  if (name === "runtime") return { why, mend: runtimeMend(host, value) };
  const given = ({ labels }: PlaceableHost) => ({ labels: { ...labels, [name]: value } });
  return { why, mend: hostMend(`give ${host} the label ${label}`, 10, given) };
}

function avoids(label: string, { name: host, labels }: PlaceableHost): Misfit {
  const why = `has the label ${label}, which the contract avoids`;
  const [name, value] = splitLabel(label);
  if (labels[name] !== value) return { why };
  const taken = ({ labels: now }: PlaceableHost) => ({
    labels: Object.fromEntries(Object.entries(now).filter((one) => one.join("=") !== label)),
  });
  return { why, mend: hostMend(`take the label ${label} from ${host}`, 10, taken) };
}

function runtimeMisfit(needs: Needs, host: PlaceableHost): Misfit[] {
  if (needs.image !== true || !isBare(host)) return [];
  const why = `runs no images (its runtime is ${host.runtime})`;
  return [{ why, mend: runtimeMend(host.name, "docker") }];
}

function runtimeMend(host: string, runtime: string): Mend {
  return hostMend(`run the agent of ${host} with --runtime ${runtime}`, 15, () => ({ runtime }));
}

function roomMisfits(needs: Needs, host: PlaceableHost): Misfit[] {
  const short = KINDS.filter(({ name, tolerance }) => needs[name] > host[name] - host.used[name] + tolerance);
  if (short.length === 0) return [];
  const why = short.map(({ name, unit, round }) => {
    const [free, all] = [round(host[name] - host.used[name], false), round(host[name], false)];
    const jobs = round(host.jobs?.[name] ?? 0, true);
    const beside = jobs === 0 ? "" : ` (jobs have ${jobs})`;
    return `${free} of ${all} ${unit} free${beside}, ${round(needs[name], true)}${name === "memory" ? " MiB" : ""} needed`;
  });
  const reasons = `has ${why.join(", and ")}`;
  if (short.some(({ name, tolerance }) => needs[name] > host[name] + tolerance)) return [{ why: reasons }];
  const missing = { cpu: 0, memory: 0, gpu: 0 };
  let effort = 0;
  const amounts = short.map(({ name, unit, round }) => {
    missing[name] = needs[name] - (host[name] - host.used[name]);
    effort += 2 + (needs[name] + host.used[name]) / host[name] - 1;
    return `${round(missing[name], true)} ${unit}`;
  });
  const free = ({ used }: PlaceableHost) => ({ used: freed(used, missing) });
  return [{ why: reasons, mend: hostMend(`free ${amounts.join(" and ")} on ${host.name}`, effort, free) }];
}

function spreadMisfits(needs: Needs, host: PlaceableHost, taken: Occupancy): Misfit[] {
  return spreadsOf(needs).flatMap(({ over, strict }, n) => {
    const value = attribute(host, over);
    if (!strict || (taken.instances[n]?.get(value) ?? 0) === 0) return [];
    if (over === "host") return [{ why: "runs an instance of it already" }];
    const why =
      value === ""
        ? `has no ${over}, and neither has a host that runs an instance of it already`
        : `is in ${over} ${value}, which has an instance of it already`;
    return [{ why }];
  });
}

function affinityMisfits(needs: Needs, host: PlaceableHost): Misfit[] {
  const found: Misfit[] = [];
  const repelling = host.repels?.get(needs.service ?? "") ?? NOBODY;
  for (const rule of needs.rules?.affinity ?? []) {
    if (!rule.strict || matches(rule, host)) continue;
    if (rule.label !== undefined) found.push(lacks(rule.label, host));
    else if (rule.service !== undefined) found.push(lacksService(rule.service, needs, host));
  }
  for (const rule of needs.rules?.antiAffinity ?? []) {
    if (!rule.strict || !matches(rule, host)) continue;
    if (rule.label !== undefined) found.push(avoids(rule.label, host));
    else if (rule.service !== undefined)
      found.push(beside(rule.service, `runs ${rule.service}, from which it keeps apart`, needs, host));
  }
  for (const by of repelling) found.push(beside(by, `runs ${by}, which keeps apart from it`, needs, host));
  return found;
}

const NOBODY: ReadonlySet<string> = new Set();

function lacksService(service: string, needs: Needs, { name }: PlaceableHost): Misfit {
  const why = `runs no instance of ${service}`;
  // It would have to be there before it is there.
  if (service === needs.service) return { why };
  const started = (host: PlaceableHost) => ({ services: new Map([...(host.services ?? []), [service, 1]]) });
  return { why, mend: hostMend(`start ${service} on ${name}`, 6, started) };
}

function beside(service: string, why: string, needs: Needs, { name }: PlaceableHost): Misfit {
  // Moved, it would be in the way elsewhere.
  if (service === needs.service) return { why };
  const moved = (host: PlaceableHost) => withoutService(host, service);
  return { why, mend: hostMend(`move ${service} off ${name}`, 5, moved) };
}

function costMisfit(needs: Needs, host: PlaceableHost, taken: Occupancy): Misfit[] {
  const { rules } = needs;
  const most = rules?.maxCostPerHour;
  const cost = taken.costPerHour + hourlyCost(needs, host);
  if (rules === undefined || most === undefined || cost <= most + TOLERANCE) return [];
  const raised = Math.ceil(cost * 1_000) / 1_000;
  return [
    {
      why: `would bring the cost to ${money(cost)} per hour, ${money(most)} allowed`,
      mend: {
        text: `raise max_cost_per_hour to ${money(raised)}`,
        effort: 4,
        done: ({ host: same, needs: before }) => ({
          host: same,
          needs: { ...before, rules: { ...rules, maxCostPerHour: raised } },
        }),
      },
    },
  ];
}

function money(amount: number): string {
  return String(Math.round(amount * 1_000) / 1_000);
}
