import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Server } from "@grpc/grpc-js";
import { z } from "zod";
import { listen } from "../sdk/grpc.ts";
import { Health } from "../sdk/server/health.ts";
import { type BenchResult, median, round } from "./table.ts";

const FEW = 10;
const MANY = 1_000;
/** An instance speaks each 5 s: the window holds six words of each. */
const WINDOW_MS = 30_000;
const BEAT_MS = 5_000;
/** Connections that are made at a time: a socket's backlog takes only so many. */
const BATCH = 50;

const measured = z.object({
  cpu: z.object({ user: z.number(), system: z.number() }),
  atMs: z.number(),
  heard: z.number(),
  told: z.number(),
});

/** Instances of a version that the leader steps. */
const PER_VERSION = 5;
/** The leader's part is measured over so many seconds of all instances together, without the pauses. */
const LEADER_SECONDS = 200_000;
const REPEATS = 5;

/**
 * CPU time that is spent on knowing how instances do, at 10 and at 1,000 that are well. An agent's part: each has a real stream of
 * grpc.health.v1 and a real connection to the notify socket, on which it speaks as the SDK does. The leader's part: each second a
 * mesh-config's load report is read, which names every instance, and the state machine of each is stepped.
 */
export default async function healthCost(): Promise<BenchResult> {
  const few = await costOf(FEW);
  const many = await costOf(MANY);
  const led = async (instances: number, versions: number) => ({
    instances,
    what: versions === 1 ? "leader, one version" : `leader, ${PER_VERSION} of each version`,
    perInstance: await leaderCostOf(instances, versions),
  });
  const ledFew = await led(FEW, FEW / PER_VERSION);
  const ledMany = await led(MANY, MANY / PER_VERSION);
  const leaders = [ledFew, ledMany, await led(FEW, 1), await led(MANY, 1)];
  const ratio = (many.perInstance + ledMany.perInstance) / (few.perInstance + ledFew.perInstance);
  const row = (instances: number, { perInstance, share, heard, told }: Cost) => ({
    what: "agent",
    instances,
    "CPU µs per instance and second": round(perInstance),
    "% of a core in all": round(share),
    "words heard": heard,
    "changes told": told,
  });
  return {
    name: "Cost of health checking",
    about: `An agent's part for ${FEW} and ${MANY} instances over ${WINDOW_MS / 1_000} s: what is told goes to the leader in one stream. The leader's part: a load report of all instances each second, and a step of each; the median of ${REPEATS}.`,
    rows: [
      row(FEW, few),
      row(MANY, many),
      ...leaders.map(({ what, instances, perInstance }) => ({
        what,
        instances,
        "CPU µs per instance and second": round(perInstance),
        "% of a core in all": round((perInstance * instances) / 1e4),
      })),
    ],
    figure: {
      name: `cost per instance, agent and leader together, at ${MANY} over that at ${FEW}`,
      value: ratio,
      goal: "≤ 1",
      met: ratio <= 1,
    },
  };
}

/** What the leader spends on each instance and second, µs: the median of several processes. */
async function leaderCostOf(instances: number, versions: number): Promise<number> {
  const found: number[] = [];
  const seconds = LEADER_SECONDS / instances;
  for (let n = 0; n < REPEATS; n++) {
    const leader = fork(
      join(import.meta.dirname, "health-cost-leader.ts"),
      [instances, versions, seconds].map(String),
    );
    const [told] = await once(leader, "message");
    found.push(z.object({ cpu: z.number() }).parse(told).cpu / instances / seconds);
  }
  return median(found);
}

interface Cost {
  readonly perInstance: number;
  readonly share: number;
  readonly heard: number;
  readonly told: number;
}

async function costOf(instances: number): Promise<Cost> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-bench-health-"));
  const server = new Server();
  const health = new Health(server, ["bench"]);
  health.serving();
  const address = await listen(server, `unix:${join(folder, "health.sock")}`);
  const notify = join(folder, "notify.sock");
  const agent = fork(join(import.meta.dirname, "health-cost-agent.ts"), [notify, address], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const beats: NodeJS.Timeout[] = [];
  const sockets: ReturnType<typeof connect>[] = [];
  try {
    await once(agent, "message");
    for (let first = 0; first < instances; first += BATCH) {
      const ids = Array.from({ length: Math.min(BATCH, instances - first) }, (_, n) => `i-${first + n}`);
      const all = first + ids.length;
      const served = until(
        agent,
        (message) => z.object({ serving: z.literal(all) }).safeParse(message).success,
      );
      for (const id of ids) {
        agent.send({ add: id });
        const socket = connect(notify);
        sockets.push(socket);
        const say = () =>
          socket.write(
            `${JSON.stringify({ instance: id, vitals: { loopDelayMs: 0, queue: 0, inProgress: 1 } })}\n`,
          );
        const phase = setTimeout(() => {
          say();
          beats.push(setInterval(say, BEAT_MS));
        }, Math.random() * BEAT_MS);
        beats.push(phase);
      }
      await served;
    }
    // The streams are there, and everybody has spoken.
    await sleep(2 * BEAT_MS);
    const before = await measure(agent);
    await sleep(WINDOW_MS);
    const after = await measure(agent);
    const cpu = after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system;
    const seconds = (after.atMs - before.atMs) / 1_000;
    return {
      perInstance: cpu / instances / seconds,
      share: cpu / seconds / 1e4,
      heard: after.heard - before.heard,
      told: after.told - before.told,
    };
  } finally {
    for (const beat of beats) clearInterval(beat);
    for (const socket of sockets) socket.destroy();
    agent.kill();
    server.forceShutdown();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(agent: ReturnType<typeof fork>) {
  const answer = until(agent, (message) => measured.safeParse(message).success);
  agent.send({ measure: true });
  return measured.parse(await answer);
}

function until(agent: ReturnType<typeof fork>, holds: (message: unknown) => boolean): Promise<unknown> {
  return new Promise((resolve) => {
    const take = (message: unknown) => {
      if (!holds(message)) return;
      agent.off("message", take);
      resolve(message);
    };
    agent.on("message", take);
  });
}
