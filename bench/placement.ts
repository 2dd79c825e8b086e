import { HostIndex } from "../orchestrator/placement/host-index.ts";
import { place } from "../orchestrator/placement/place.ts";
import { BestFit } from "./placement/best-fit.ts";
import { type Instance, instancesOf, randomFrom, sampleHosts, sampleServices } from "./placement/sample.ts";
import { type BenchResult, quantile, round } from "./table.ts";

const HOSTS = 6_000;
const INSTANCES = 100_000;
/** Choices that are compared with a look at all hosts by place(), which explains as it goes and takes its time. */
const COMPARED = 200;

/** Anything that chooses hosts and remembers what it chose. */
interface Scheduler {
  /** Chooses a host and takes its room; undefined when none fits. */
  put(instance: Instance): string | undefined;
}

/**
 * Fills a simulated fleet, one instance after the other, by Rouse's index with all rules and terms, and by a plain best fit, which
 * knows cores, memory, GPUs and labels only.
 */
export default async function placement(): Promise<BenchResult> {
  const random = randomFrom(5);
  const hosts = sampleHosts(HOSTS, random);
  const instances = instancesOf(sampleServices(2_000, random), INSTANCES, random);
  const index = new HostIndex(hosts);
  let same = 0;
  let compared = 0;
  const rouse = measure(instances, {
    put(instance) {
      const found = index.find(instance.needs);
      if (found !== undefined) index.change(found.host.name, instance.occupant, 1);
      return found?.host.name;
    },
  });
  // On the full fleet, where there is most to get wrong.
  for (let n = 0; n < COMPARED; n++) {
    const { needs } = instances[Math.floor(random() * instances.length)] ?? {};
    if (needs === undefined) continue;
    compared += 1;
    if (index.find(needs)?.host.name === place(needs, index.hosts()).host) same += 1;
  }
  const bestFit = new BestFit(hosts);
  const plain = measure(instances, { put: ({ needs }) => bestFit.put(needs) });
  const value = rouse.perSecond;
  return {
    name: "Placement",
    about:
      `${INSTANCES} instances of 2,000 services (bench/placement/sample.ts) are placed on ${HOSTS} simulated hosts, one after the other, by one thread; ` +
      "seconds are of this process's CPU time, so that other programs do not count, and the quantiles of wall time. Half of the services have rules: spread, affinity, preferred hosts, limits of cost. The baseline is a best fit in one loop over the hosts, without rules. " +
      `${same} of ${compared} choices on the full fleet are those of the plain function that "rouse explain" uses.`,
    rows: [row("Rouse", rouse), row("plain best fit", plain)],
    figure: {
      name: "placements per second",
      value,
      goal: "≥ 10000",
      met: value >= 10_000 && same === compared,
    },
  };
}

interface Measured {
  readonly perSecond: number;
  readonly microseconds: readonly number[];
  /** Instances by host. */
  readonly placed: ReadonlyMap<string, number>;
  readonly refused: number;
  /** Instances on a host where there was one of their version already. */
  readonly crowded: number;
}

function measure(instances: readonly Instance[], scheduler: Scheduler): Measured {
  const microseconds: number[] = [];
  const placed = new Map<string, number>();
  const hostsOf = new Map<string, Set<string>>();
  let refused = 0;
  let crowded = 0;
  const began = process.cpuUsage();
  for (const instance of instances) {
    const before = performance.now();
    const host = scheduler.put(instance);
    microseconds.push((performance.now() - before) * 1_000);
    if (host === undefined) refused += 1;
    else {
      placed.set(host, (placed.get(host) ?? 0) + 1);
      const version = instance.occupant.version;
      const there = hostsOf.get(version) ?? new Set();
      if (there.has(host)) crowded += 1;
      hostsOf.set(version, there.add(host));
    }
  }
  const { user, system } = process.cpuUsage(began);
  return {
    perSecond: Math.round(instances.length / ((user + system) / 1e6)),
    microseconds,
    placed,
    refused,
    crowded,
  };
}

function row(name: string, measured: Measured): BenchResult["rows"][number] {
  return {
    scheduler: name,
    "placements/s": measured.perSecond,
    "p50 µs": round(quantile(measured.microseconds, 0.5)),
    "p99 µs": round(quantile(measured.microseconds, 0.99)),
    "hosts in use": measured.placed.size,
    refused: measured.refused,
    "beside their like": measured.crowded,
  };
}
