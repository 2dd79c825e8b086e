import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type BenchResult, quantile, round } from "./table.ts";
import { clusterOf } from "./xds/mesh.ts";
import { ask, buildGoServer, goServer, rouseServer, type XdsServer } from "./xds/servers.ts";

const SERVICES = [1_000, 10_000];
const CLIENTS = 500;
const CHANGES = 60;
/** Changes that are not counted: code is compiled as it runs. */
const WARM_UP = 5;
/** After so long there are no more changes, ms. */
const LONGEST_MS = 60_000;
/** A change among ten times as many services may take so much more processor time, and still be independent of their number. */
const MOST_CPU_RATIO = 1.3;
const GOAL_MS = 250;

/**
 * One endpoint of a large mesh changes, and every one of 500 simulated Envoys hears of it; before, they all connect at once with
 * what they had, as after a restart of the control plane, and in the end once more with nothing, as Envoys that were all started anew.
 * Beside it the same work by go-control-plane.
 */
export default async function xdsScale(): Promise<BenchResult> {
  const rows: Row[] = [];
  for (const services of SERVICES) {
    console.error(`${services} services …`);
    await using server = await rouseServer(services);
    rows.push(await measure("Rouse", services, server));
  }
  await using go = await buildGoServer();
  if (go === undefined) console.error("There is no Go: go-control-plane is left out.");
  else {
    for (const services of SERVICES) {
      await using server = await goServer(go.file, services);
      rows.push(await measure("go-control-plane", services, server));
    }
  }
  const [few, many] = rows;
  const value = many?.["p99 ms"] ?? Number.NaN;
  const ratio = (many?.["CPU ms/change"] ?? Number.NaN) / (few?.["CPU ms/change"] ?? Number.NaN);
  return {
    name: "xDS at scale",
    about:
      `One endpoint changes, ${CLIENTS} simulated Envoys that follow all clusters and endpoints acknowledge it; up to ${CHANGES} changes after ${WARM_UP}. ` +
      "Before: all connect at once with what they had, a change is made, and all have it; in the end the same with nothing.",
    rows,
    figure: {
      name: `time to all ACKs among 10,000 services, p99 ms; a change takes ${round(ratio)} times the CPU that it takes among 1,000`,
      value,
      goal: `< ${GOAL_MS}, and ≤ ${MOST_CPU_RATIO} times the CPU`,
      met: value < GOAL_MS && ratio <= MOST_CPU_RATIO,
    },
  };
}

type Row = Readonly<Record<string, string | number>> & {
  readonly server: string;
  readonly "p99 ms": number;
  readonly "CPU ms/change": number;
};

async function measure(name: string, services: number, server: XdsServer): Promise<Row> {
  const clients = fork(join(import.meta.dirname, "xds/clients.ts"), [server.address]);
  await once(clients, "message");
  try {
    await ask(clients, `first ${services}`);
    const alone = await server.memory();
    const change = async (n: number) => {
      await ask(clients, `watch ${clusterOf(n)}`);
      const beganMs = nowMs();
      await server.change(n);
      return (await ask<number>(clients, "wait")) - beganMs;
    };
    /** Until all that connect at once have what they lack and a change that is made then. */
    const all = async (how: "connect" | "new", count: number) => {
      const beganMs = nowMs();
      const cpu = await server.cpu();
      await ask(clients, `${how} ${count}`);
      await change(0);
      return { s: round((nowMs() - beganMs) / 1_000), cpu: round(((await server.cpu()) - cpu) / 1e6) };
    };
    const back = await all("connect", CLIENTS - 1);
    for (let n = 1; n <= WARM_UP; n++) await change(n);
    const cpu = await server.cpu();
    const bytes = await ask<number>(clients, "bytes");
    const times: number[] = [];
    const beganMs = nowMs();
    for (let n = 0; n < CHANGES && nowMs() - beganMs < LONGEST_MS; n++) {
      times.push(await change((n * 37) % services));
    }
    const spent = (await server.cpu()) - cpu;
    const received = (await ask<number>(clients, "bytes")) - bytes;
    // Last, for a collection of garbage stops all else.
    const memory = await server.memory();
    await ask(clients, "drop");
    const fresh = await all("new", CLIENTS);
    return {
      server: name,
      services,
      changes: times.length,
      "p50 ms": round(quantile(times, 0.5)),
      "p99 ms": round(quantile(times, 0.99)),
      "CPU ms/change": round(spent / times.length / 1_000),
      "bytes/client": Math.round(received / times.length / CLIENTS),
      "all back s": back.s,
      "CPU s to that": back.cpu,
      "all new s": fresh.s,
      "CPU s to those": fresh.cpu,
      lost: await ask<number>(clients, "lost"),
      "KiB/client": Math.round((memory - alone) / (CLIENTS - 1) / 1_024),
    };
  } finally {
    const exited = once(clients, "exit");
    clients.disconnect();
    await exited;
  }
}

/** The same clock in all processes of a machine, ms. */
function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
