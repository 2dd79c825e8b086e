import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RouseError } from "../sdk/errors.ts";
import { submitTask } from "../sdk/tasks/index.ts";
import { createLedgerServiceClient } from "./fixtures/ledger/gen/ledger/v1/ledger.client.ts";
import { flocks, woolOf } from "./fixtures/task-worker.ts";
import { cutPower, familyOf, postmasterPid } from "./support/host.ts";
import { until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { root } from "./support/rouse.ts";

/** So many runs, so many async calls and tasks; more of them for a longer look. */
const EACH = Number(process.env.ROUSE_FAULT_EACH ?? 60);
/** A round of faults for so many. */
const ROUNDS = Math.max(1, Math.floor(EACH / 100));
/** So many of each are under way at one time. */
const TOGETHER = 6;
const SHEEP = 4;
const WAIT_MS = 120_000;
const node = join(root, "node_modules/.bin/node");

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
        await sleep(2_000);
      } finally {
        signalAll(all, "SIGCONT");
      }
      await sleep(500);
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
    await endMore();
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

let ended = 0;
/** Resolves when some more have ended. */
function endMore(): Promise<void> {
  const wanted = ended + 3 * TOGETHER;
  return until(`${wanted} have ended`, async () => ended >= wanted, WAIT_MS);
}

/** Asks again as long as the mesh says that it is away; the key makes that safe. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (const endMs = Date.now() + WAIT_MS; ; ) {
    try {
      return await ask();
    } catch (thrown) {
      const error = RouseError.from(thrown);
      if (error.status !== "UNAVAILABLE" || Date.now() > endMs) throw thrown;
      await sleep(100);
    }
  }
}

test(
  `of ${EACH} runs, async calls and tasks each ends exactly once, whatever befalls the host`,
  async () => {
    using client = createLedgerServiceClient({ target: mesh.edge });
    let befalls = true;
    const begun = { run: 0, call: 0, task: 0 };
    const caller =
      (kind: keyof typeof begun, one: (number: number, key: string) => Promise<void>) => async () => {
        while (befalls || begun[kind] < EACH) {
          const number = begun[kind]++;
          await one(number, `${kind} ${number}`);
          ended++;
        }
      };
    const request = { entries: 3, first: 0, restMs: 20, entryMs: 50, fail: "", bytes: 0, approval: "" };
    const booked = (first: number) => [first, first + 1, first + 2];
    const callers = [
      caller("run", async (first, key) => {
        const started = await untilAnswered(() =>
          client.async.book({ ...request, first }, { idempotencyKey: key }),
        );
        expect((await untilAnswered(() => started.wait())).booked).toEqual(booked(first));
      }),
      caller("call", async (first, key) => {
        const started = await untilAnswered(() =>
          client.async.count({ ...request, first }, { idempotencyKey: key }),
        );
        expect((await untilAnswered(() => started.wait())).booked).toEqual(booked(first));
      }),
      caller("task", async (_, key) => {
        const settings = { idempotencyKey: key, mostLosses: 1_000, target: mesh.mesh };
        const made = await untilAnswered(() => submitTask(queue, { sheep: SHEEP }, settings));
        expect(await untilAnswered(() => made.collect({ collector: key }))).toBe(woolOf(SHEEP));
      }),
    ];
    startWorker();
    startWorker();
    const befall = async () => {
      try {
        for (let round = 0; round < ROUNDS; round++)
          for (const fault of Object.values(faults)) {
            await endMore();
            await fault();
          }
        await endMore();
      } finally {
        befalls = false;
      }
    };
    await Promise.all([befall(), ...callers.flatMap((each) => Array.from({ length: TOGETHER }, each))]);

    const pool = new Pool({ connectionString: databaseUrl, options: "-c search_path=rouse_orders", max: 1 });
    try {
      const count = async (from: string) =>
        (await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${from}`)).rows[0]?.n;
      // What was asked for under a key is there once, and has ended; each step of a run is recorded once.
      for (const [kind, method] of [
        ["run", "Book"],
        ["call", "Count"],
      ] as const) {
        expect(await count(`operations WHERE method = '${method}'`)).toBe(begun[kind]);
        expect(await count(`operations WHERE method = '${method}' AND state = 'succeeded'`)).toBe(
          begun[kind],
        );
      }
      expect(await count("run_entries")).toBe(begun.run * 6);
      const tasks = begun.task * (1 + SHEEP);
      expect(await count("tasks")).toBe(tasks);
      const times = (kind: string) =>
        `(SELECT count(*) FROM task_changes WHERE task = tasks.id AND task_changes.kind = '${kind}')`;
      expect(
        await count(`tasks WHERE state = 'collected' AND ${times("finish")} = 1 AND ${times("collect")} = 1`),
      ).toBe(tasks);
    } finally {
      await pool.end();
    }
  },
  Math.max(300_000, EACH * 2_000),
);
