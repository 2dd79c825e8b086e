import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RunState, RunsClient } from "#proto/rouse/orders/v1/runs.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createLedgerServiceClient } from "./fixtures/ledger/gen/ledger/v1/ledger.client.ts";
import { liveVersions, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";

/** How many runs; more of them for a longer look: FAULT_RUNS=1000. */
const RUNS = Number(process.env.FAULT_RUNS ?? 60);
/** So many runs are under way at one time. */
const TOGETHER = 20;
/** A kill after each so many ended runs. */
const EACH = Math.max(8, Math.floor(RUNS / 40));
const SERVICE = "ledger.v1.LedgerService";
const WAIT_MS = 120_000;

let mesh: TestMesh;
let ledger: Probe;
beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  ledger = await makeProbe({ fixture: "ledger" });
  await ledger.register(mesh.data);
});
afterAll(async () => {
  await mesh?.close();
  await ledger?.remove();
});

/** kill -9 of each part that a run needs. */
const kills: Record<string, () => Promise<void>> = {
  async worker() {
    const [version] = await liveVersions(mesh, SERVICE);
    const [instance] = version?.instances ?? [];
    // It may have been killed just now, and its next one is not told yet.
    if (instance !== undefined) await mesh.killInstance(instance.id).catch(() => undefined);
  },
  orders: () => mesh.restart("orders", "SIGKILL"),
  async database() {
    const file = join(mesh.data, "orders/postgres/data/postmaster.pid");
    process.kill(Number(readFileSync(file, "utf8").split("\n")[0]), "SIGKILL");
  },
  envoy: () => mesh.restart("envoy", "SIGKILL"),
};

test(
  `of ${RUNS} runs each ends exactly once with the right result, whatever is killed meanwhile`,
  async () => {
    using client = createLedgerServiceClient({ target: mesh.edge });
    let begun = 0;
    let ended = 0;
    const killed: string[] = [];
    const caller = async () => {
      while (begun < RUNS) {
        const first = begun++ * 10;
        const request = { entries: 4, first, restMs: 20, entryMs: 10, fail: "", bytes: 0, approval: "" };
        const { booked } = await client.book(request, { idempotencyKey: `run ${first}` });
        expect(booked).toEqual([first, first + 1, first + 2, first + 3]);
        ended++;
      }
    };
    const names = Object.keys(kills);
    const killer = async () => {
      for (let next = EACH; next <= RUNS - TOGETHER; next += EACH) {
        await until(`${next} have ended`, async () => ended >= next, WAIT_MS);
        const name = names[killed.length % names.length] ?? "";
        killed.push(name);
        await kills[name]?.();
      }
    };
    await Promise.all([...Array.from({ length: TOGETHER }, caller), killer()]);
    expect(ended).toBe(RUNS);
    expect(killed).toEqual(expect.arrayContaining(names));
    // What was asked for under a key was run once, and each of its steps is recorded once.
    let entries = 0;
    const wanted = { service: SERVICE, version: "", key: "", state: RunState.SUCCEEDED, limit: 500 };
    const { runs } = await withClient(RunsClient, mesh.orders, (asked) => unary(asked, "listRuns", wanted));
    for (const run of runs) entries += run.entries;
    expect(runs).toHaveLength(Math.min(RUNS, 500));
    expect(entries).toBe(runs.length * 8);
  },
  Math.max(300_000, RUNS * 1_000),
);
