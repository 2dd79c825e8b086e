import { RunsService } from "#proto/rouse/orders/v1/runs.ts";
import { endedInstances, MemoryDeaths } from "../operations/memory-deaths.ts";
import { newOperation } from "../operations/start.ts";
import { OperationStore } from "../operations/store.ts";
import type { OrdersPart } from "../part.ts";
import { RUNS_CHANNEL, RunEngine } from "./engine.ts";
import { runsService } from "./service.ts";
import { RunStore } from "./store.ts";
import { runsTables } from "./tables.ts";

/** Durable runs; its tables add to those of operations. */
export const runsPart: OrdersPart = {
  name: "runs",
  tables: runsTables,
  channels: [RUNS_CHANNEL],
  serve(server, { mesh, pins, rights, opened }) {
    const service = runsService({
      state: () => mesh.state(),
      pins,
      rights,
      async opened() {
        const { pool } = await opened();
        return { runs: new RunStore(pool), operations: new OperationStore(pool) };
      },
    });
    server.addService(RunsService, service);
  },
  async lead({ pool, changes, calls, hosts, mesh, pins, localRuns, log }, signal) {
    const store = new RunStore(pool);
    const engine = new RunEngine({
      store,
      changes,
      log,
      open: (run) => calls.run(run),
      deaths: new MemoryDeaths(endedInstances(hosts)),
      async child(run, call) {
        const request = { ...call, idempotencyKey: "", keepMs: 0, waitMs: 0 };
        const asker = { caller: run.service, provider: run.asker, outside: false };
        const made = newOperation(request, await mesh.state(), asker);
        await pins.pin(made.service, made.version);
        return { ...made, parent: run.id };
      },
    });
    const leave = localRuns.lead(engine);
    try {
      await engine.run(signal);
    } finally {
      leave();
    }
  },
};
