import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, test } from "vitest";
import { flocks } from "./fixtures/task-worker.ts";
import { cutPower, familyOf, postmasterPid } from "./support/host.ts";
import { until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { seededRandom } from "./support/random.ts";
import { root } from "./support/rouse.ts";
import { Work } from "./support/work.ts";

/** So many runs, so many async calls and tasks, at least; more of them for a longer look. */
const EACH = Number(process.env.ROUSE_FAULT_EACH ?? 60);
/** A round of faults for so many. */
const ROUNDS = Math.max(1, Math.floor(EACH / 100));
/** Longest time from one fault to the next, ms. */
const LONGEST_REST_MS = 3_000;
const WAIT_MS = 120_000;
const node = join(root, "node_modules/.bin/node");

const random = seededRandom();
const data = mkdtempSync(join(tmpdir(), "rouse-host-"));
const queue = flocks("host-faults");
let mesh: TestMesh;
let ledger: Probe;
const children = new Set<ChildProcess>();
beforeAll(async () => {
  mesh = await startMesh({ runtime: "process", data });
  ledger = await makeProbe({ fixture: "ledger" });
  await ledger.register(mesh.data);
});
afterAll(async () => {
  await Promise.all([...children].map(kill));
  await mesh?.close();
  await ledger?.remove();
  rmSync(data, { recursive: true, force: true });
});

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const child = spawn(node, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.add(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  children.delete(child);
  child.kill("SIGKILL");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

const startWorker = () =>
  start([join(root, "test/fixtures/task-worker.ts")], { TARGET: mesh.mesh, QUEUE: queue.name });

const databaseUrl = `postgresql://rouse@localhost:5432/postgres?host=${encodeURIComponent(join(data, "orders/postgres"))}`;

const rest = () => sleep(random.within(0, LONGEST_REST_MS));

/** What happens to the mesh while work is under way. Each resolves when the mesh is whole again. */
const faults: Record<string, () => Promise<void>> = {
  /** Its processes are stopped for a while, so that it answers late. */
  async "a slow database"() {
    for (let times = 0; times < 3; times++) {
      const postmaster = postmasterPid(data);
      if (postmaster === undefined) return;
      const all = familyOf(postmaster);
      try {
        signalAll(all, "SIGSTOP");
        await sleep(random.within(500, 3_000));
      } finally {
        signalAll(all, "SIGCONT");
      }
      await sleep(random.within(100, 1_000));
    }
  },
  /** Of two servers of orders on one database that which leads is killed, and then the other. */
  async "two servers of orders"() {
    const flags = ["--consul", mesh.consul, "--mesh", mesh.mesh, "--database", databaseUrl, "--data", data];
    const other = start([
      join(root, "cli/bin/rouse.mjs"),
      "orders",
      "serve",
      "--listen",
      "127.0.0.1:0",
      ...flags,
    ]);
    let log = "";
    other.stderr?.on("data", (chunk) => (log += chunk));
    // The one that was killed is started again, and may be the quicker one.
    await until(
      "the other one leads",
      async () => {
        if (other.exitCode !== null) throw new Error(`it ended:\n${log}`);
        await mesh.restart("orders", "SIGKILL");
        return log.includes("this process does the work of orders");
      },
      WAIT_MS,
    );
    await rest();
    await kill(other);
  },
  async "a power cut"() {
    mesh = await cutPower(mesh);
    await Promise.all([...children].map(kill));
    startWorker();
    startWorker();
  },
};

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

test(
  `of ${EACH} runs, async calls and tasks each ends exactly once, whatever befalls the host`,
  () =>
    random.told(async () => {
      startWorker();
      startWorker();
      const work = new Work({ edge: mesh.edge, mesh: mesh.mesh, queue, least: EACH });
      await work.during(async () => {
        // Something is under way before the first.
        await work.more();
        for (const fault of random.turns(Object.values(faults), ROUNDS * Object.keys(faults).length)) {
          await rest();
          await fault();
        }
        await work.more();
      });
      await work.check(databaseUrl);
    }),
  Math.max(300_000, EACH * 2_000),
);
