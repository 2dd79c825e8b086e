import { OperationsService } from "#proto/rouse/orders/v1/operations.ts";
import type { OrdersPart } from "../part.ts";
import { endedInstances, MemoryDeaths } from "./memory-deaths.ts";
import { CALLS_CHANNEL, OPERATIONS_CHANNEL, Runner } from "./runner.ts";
import { operationsService } from "./service.ts";
import { OperationStore } from "./store.ts";
import { operationsTables } from "./tables.ts";

/** Async calls. */
export const operationsPart: OrdersPart = {
  name: "operations",
  tables: operationsTables,
  channels: [OPERATIONS_CHANNEL, CALLS_CHANNEL],
  serve(server, { mesh, pins, localRuns, rights, opened }) {
    const service = operationsService({
      state: () => mesh.state(),
      pins,
      localRuns,
      rights,
      async opened() {
        const { pool, changes } = await opened();
        return { store: new OperationStore(pool), changes };
      },
    });
    server.addService(OperationsService, service);
  },
  async lead({ pool, changes, calls, hosts, localRuns, log }, signal) {
    const deaths = new MemoryDeaths(endedInstances(hosts));
    const runner = new Runner({ store: new OperationStore(pool), changes, call: calls.call, deaths, log });
    const leave = localRuns.lead(runner, "calls");
    try {
      await runner.run(signal);
    } finally {
      leave();
    }
  },
};
