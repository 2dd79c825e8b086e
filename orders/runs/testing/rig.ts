import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { Changes } from "../../database/changes.ts";
import { type OrdersDatabase, openDatabase } from "../../database/connect.ts";
import { MemoryDeaths } from "../../operations/memory-deaths.ts";
import { MeshCalls } from "../../operations/mesh-call.ts";
import { operationsPart } from "../../operations/part.ts";
import type { OperationRow } from "../../operations/record.ts";
import { CALLS_CHANNEL, OPERATIONS_CHANNEL, Runner } from "../../operations/runner.ts";
import { type NewOperation, OperationStore } from "../../operations/store.ts";
import { anOperation } from "../../operations/testing/an-operation.ts";
import { RUNS_CHANNEL, RunEngine } from "../engine.ts";
import { LocalRuns, type StartedRun } from "../local-runs.ts";
import { runsPart } from "../part.ts";
import { RunStore } from "../store.ts";
import { type Script, ScriptedInstance } from "./instance.ts";

export const SERVICE = "script.v1.ScriptService";

/** PostgreSQL, an engine that works in it, and a scripted instance that it calls directly. */
export class EngineRig {
  readonly database: OrdersDatabase;
  readonly operations: OperationStore;
  readonly runs: RunStore;
  instance = new ScriptedInstance();
  readonly localRuns = new LocalRuns();
  #address = "";
  #folder: string;
  #changes: Changes | undefined;
  #stop = new AbortController();
  #working: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, database: OrdersDatabase) {
    this.#folder = folder;
    this.database = database;
    this.operations = new OperationStore(database.pool);
    this.runs = new RunStore(database.pool);
  }

  static async start(): Promise<EngineRig> {
    const folder = mkdtempSync(join(tmpdir(), "rouse-runs-"));
    const log = pino({ level: "silent" });
    const database = await openDatabase({ url: undefined, folder, parts: [operationsPart, runsPart], log });
    const rig = new EngineRig(folder, database);
    rig.#address = await rig.instance.start([SERVICE]);
    await rig.lead();
    return rig;
  }

  get address(): string {
    return this.#address;
  }

  /** Begins with the work, as a process that became the leader. */
  async lead(): Promise<void> {
    const log = pino({ level: process.env.LOG_LEVEL ?? "silent" });
    const { url } = this.database;
    const changes = new Changes(url, [RUNS_CHANNEL, OPERATIONS_CHANNEL, CALLS_CHANNEL], log);
    await changes.start();
    this.#changes = changes;
    const calls = new MeshCalls(this.#address);
    const store = new RunStore(this.database.pool);
    const deaths = new MemoryDeaths(async () => []);
    const engine = new RunEngine({
      store,
      changes,
      log,
      open: (run) => calls.run(run),
      deaths,
      child: async (run, call) => ({
        ...this.make(call.method, call.request, call.key),
        service: call.service,
        parent: run.id,
      }),
    });
    const runner = new Runner({
      store: this.operations,
      changes,
      call: async ({ request }) => request,
      deaths,
      log,
    });
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const leave = this.localRuns.lead(engine);
    this.#working = Promise.allSettled([engine.run(signal).finally(leave), runner.run(signal)]).then(() =>
      calls.close(),
    );
  }

  /** Lets go of the work, as a process that ends. */
  async letGo(): Promise<void> {
    this.#stop.abort();
    await this.#working;
    await this.#changes?.close();
  }

  /** Another instance takes the place of this one. */
  async crash(): Promise<void> {
    this.instance.close();
    await this.letGo();
    this.instance = new ScriptedInstance();
    this.#address = await this.instance.start([SERVICE]);
    await this.lead();
  }

  make(method: string, request: Buffer, key = ""): NewOperation {
    const durable = method !== "Plain";
    const deadlineMs = durable ? 0 : 60_000;
    return anOperation({ service: SERVICE, method, request, deadlineMs, keepMs: 3_600_000, durable, key });
  }

  /** Starts a run. @returns its id. */
  async start(script: Script, key = ""): Promise<string> {
    return (await this.#start(script, key)).row.id;
  }

  /** Starts a run, and waits for its end as who calls it plainly does. */
  async run(script: Script): Promise<void> {
    const { row, ended } = await this.#start(script, "");
    if ((await ended) === undefined) await this.ended(row.id);
  }

  #start(script: Script, key: string): Promise<StartedRun> {
    const made = this.make("Play", Buffer.from(JSON.stringify(script)), key);
    return this.localRuns.start(made, () => this.operations.insert(made));
  }

  /** The operation at its end. */
  async ended(id: string): Promise<OperationRow> {
    const listening = this.#changes;
    let changed = Promise.withResolvers<void>();
    const unlisten = listening?.listen(OPERATIONS_CHANNEL, (other) => {
      if (other === undefined || other === id) changed.resolve();
    });
    try {
      for (;;) {
        changed = Promise.withResolvers<void>();
        const row = await this.operations.get(id);
        if (row === undefined || row.ended_at !== null) return row as OperationRow;
        // Another leader of this test may have other ears.
        await Promise.race([changed.promise, new Promise((resolve) => setTimeout(resolve, 100))]);
      }
    } finally {
      unlisten?.();
    }
  }

  async result(id: string): Promise<unknown> {
    const { response, error } = await this.ended(id);
    if (error !== null) throw new Error(error.message);
    return JSON.parse(response?.toString() ?? "null");
  }

  async close(): Promise<void> {
    this.instance.close();
    await this.letGo();
    await this.database.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
