import { z } from "zod";
import { readHosts } from "../cli/host-modes.ts";
import { startHosts, type TestHost, type TestHosts, testHosts } from "../test/support/hosts.ts";
import { allWell, leads as knows, letLead } from "../test/support/leaders.ts";
import { until } from "../test/support/live.ts";
import { makeProbe } from "../test/support/probe.ts";
import { SERVICE } from "./subject.ts";
import { type BenchResult, median, round } from "./table.ts";

export const HOSTS = 3;
const CUTS = 3;
/** What the host runs that is cut off. */
const INSTANCES = 4;
/** A host that was cut off may take so long to have all its own again, ms. */
const WELL_MS = 120_000;
/** The host that is cut off; never the first, which has the registry. */
const LOST = "h3";

/** How long after the cable was pulled, ms. */
interface Cut {
  readonly leader: number;
  readonly dead: number;
  readonly replaced: number;
}

export interface LostHost {
  /** Times until another leads, by what was lost with the host. */
  readonly leaders: Readonly<Record<string, readonly number[]>>;
  readonly result: BenchResult;
}

/**
 * Three hosts, of which each has a control plane and a Consul server. The network of the one that leads, and runs all instances, is cut:
 * with Consul's raft leader elsewhere, and on the same host. Undefined where no hosts can be made.
 */
export async function lostHost(): Promise<LostHost | undefined> {
  if (!testHosts().available) return undefined;
  const hosts = await startHosts([{}, { server: true }, { server: true }]);
  const probe = await makeProbe({ version: "1.0.0", minInstances: INSTANCES });
  try {
    await probe.register(hosts.of("h1").data);
    const alone: Cut[] = [];
    const withRaft: Cut[] = [];
    for (let n = 0; n < CUTS; n++) {
      alone.push(await cutOff(hosts, "h1"));
      withRaft.push(await cutOff(hosts, LOST));
    }
    const of = (cuts: readonly Cut[], what: keyof Cut) => cuts.map((cut) => cut[what]);
    const row = (lost: string, what: string, times: readonly number[]) => ({
      "cut off": lost,
      until: what,
      "p50 ms": round(median(times)),
      "max ms": round(Math.max(...times)),
    });
    const rows = [
      ["the host that leads", alone] as const,
      ["the same, with Consul's leader", withRaft] as const,
    ].flatMap(([lost, cuts]) => [
      row(lost, "another leads", of(cuts, "leader")),
      row(lost, "host declared dead", of(cuts, "dead")),
      row(lost, "all its instances replaced", of(cuts, "replaced")),
    ]);
    const worst = Math.max(...of([...alone, ...withRaft], "replaced"));
    return {
      leaders: {
        "its host is cut off": of(alone, "leader"),
        "its host is cut off, with Consul's leader": of(withRaft, "leader"),
      },
      result: {
        name: "A host that is lost",
        about: `The network of one of ${HOSTS} hosts is cut, ${CUTS} times each: the one that leads and runs all ${INSTANCES} instances, as another host knows it.`,
        rows,
        figure: {
          name: "longest time until all instances of a lost host are replaced, ms",
          value: worst,
          goal: "≤ 10,000",
          met: worst <= 10_000,
        },
      },
    };
  } finally {
    await hosts.close();
    await probe.remove();
  }
}

/** Pulls the cable of {@link LOST} while it leads and a host's Consul does, and plugs it in when all is replaced. */
async function cutOff(hosts: TestHosts, raftLeader: string): Promise<Cut> {
  await until("all control planes are well", () => allWell(hosts, HOSTS), WELL_MS);
  await moveInstances(hosts);
  const lost = await letLead(hosts, LOST);
  await letRaftLead(hosts.of("h1"), raftLeader);
  await until(`${LOST} still leads`, () => knows(hosts, (host) => host === LOST), WELL_MS);
  const found = { leader: 0, dead: 0, replaced: 0 };
  const beganMs = performance.now();
  const note = (what: keyof Cut) => {
    found[what] ||= performance.now() - beganMs;
  };
  await lost.cutOff();
  const replacing = async () => {
    // Consul has no leader for a while where it lost that, too.
    const all = await readHosts(hosts.of("h1").registry).catch(() => []);
    if (all.some(({ name, lostAtMs }) => name === LOST && lostAtMs > 0)) note("dead");
    const serving = all.filter(({ name }) => name !== LOST).flatMap(({ running }) => running);
    if (serving.filter(isServing).length === INSTANCES) note("replaced");
    return found.dead > 0 && found.replaced > 0;
  };
  await Promise.all([
    until("another leads", () => knows(hosts, (host) => host !== LOST), WELL_MS).then(() => note("leader")),
    until("its instances are replaced", replacing, WELL_MS),
  ]);
  await lost.reconnect();
  return found;
}

const isServing = (one: { service: string; healthy: boolean; draining: boolean }) =>
  one.service === SERVICE && one.healthy && !one.draining;

/** Has all instances run on {@link LOST}. */
async function moveInstances(hosts: TestHosts): Promise<void> {
  const others = hosts.all.map(({ name }) => name).filter((name) => name !== LOST);
  for (const name of others) await hosts.of("h1").rouse("cordon", name, "--reason", "to be lost elsewhere");
  for (const name of others)
    await hosts.of("h1").rouse("drain", name, "--reason", "to be lost elsewhere", "--deadline", "60s");
  await until(
    `all instances are on ${LOST}`,
    async () => {
      const all = await readHosts(hosts.of("h1").registry);
      const running = all.find(({ name }) => name === LOST)?.running ?? [];
      return running.filter(isServing).length === INSTANCES;
    },
    WELL_MS,
  );
  for (const name of others) await hosts.of("h1").rouse("uncordon", name);
}

const raftSchema = z.object({
  Servers: z.array(z.object({ ID: z.string(), Node: z.string(), Leader: z.boolean() })),
});

/** Moves the lead of Consul's servers to that of a host. */
async function letRaftLead({ consul, fetch, run }: TestHost, name: string): Promise<void> {
  const raft = `http://${consul}/v1/operator/raft`;
  await until(
    `Consul's leader is on ${name}`,
    async () => {
      const { Servers } = raftSchema.parse(JSON.parse(await fetch(`${raft}/configuration`)));
      const wanted = Servers.find(({ Node }) => Node === name);
      if (wanted === undefined || wanted.Leader) return wanted !== undefined;
      const move = `fetch("${raft}/transfer-leader?id=${wanted.ID}", { method: "POST" })`;
      await run(process.execPath, "-e", move);
      return false;
    },
    WELL_MS,
  );
}
