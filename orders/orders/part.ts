import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { OrdersService } from "#proto/rouse/orders/v1/orders.ts";
import { ownerOf } from "../../registry/ownership.ts";
import { untilAborted } from "../leader.ts";
import { OperationStore } from "../operations/store.ts";
import type { OrdersPart, PartContext } from "../part.ts";
import type { Surroundings } from "./accept/accept.ts";
import { Contracts } from "./contract/contracts.ts";
import { Calls } from "./engine/calls.ts";
import { Engine } from "./engine/engine.ts";
import { Fleet } from "./jobs/fleet.ts";
import { HostJobs } from "./jobs/host-jobs.ts";
import { jobId } from "./jobs/job-id.ts";
import { Jobs } from "./jobs/jobs.ts";
import { sweepJobs } from "./jobs/sweep.ts";
import type { JobLogs } from "./order-logs.ts";
import { holderOf, ordersService } from "./service.ts";
import { EngineStore } from "./store/engine-store.ts";
import { OrderStore } from "./store/store.ts";
import { ORDERS_CHANNEL, ordersTables } from "./store/tables.ts";

const EXPIRE_MS = 60_000;
/** Orders that are forgotten at one time. */
const EXPIRED_AT_ONCE = 100;
/** Whose services are whose that nobody registered as a provider. */
const NOBODYS = "administrator";

/** Orders: jobs and workflows. */
export const ordersPart: OrdersPart = {
  name: "orders",
  tables: ordersTables,
  channels: [ORDERS_CHANNEL],
  serve(server, context) {
    const { opened, hosts } = context;
    const contracts = new Contracts(context.consul);
    const service = ordersService({
      surroundings: () => surroundings(context, contracts),
      async opened() {
        const { pool, changes } = await opened();
        return { store: new OrderStore(pool), changes, artifacts: context.artifacts };
      },
      jobLogs: jobLogs(hosts),
      pins: context.pins,
      rights: context.rights,
    });
    server.addService(OrdersService, service);
  },
  async lead({ pool, changes, mesh, hosts, consul, artifacts, pins, log }, signal) {
    // Until then each host would look as if it had left.
    await Promise.race([hosts.ready, untilAborted(signal)]);
    if (signal.aborted) return;
    const store = new EngineStore(pool);
    const contracts = new Contracts(consul);
    const fleet = new Fleet(hosts);
    const operations = new OperationStore(pool);
    const jobs = new Jobs({ fleet, mesh, contracts, holderOf, log });
    const executors = { job: jobs, call: new Calls({ operations, changes, mesh, contracts, pins }) };
    const engine = new Engine({ store, changes, mesh, hosts, contracts, executors, log }, signal);
    try {
      await Promise.all([
        engine.run(),
        sweepJobs({ fleet, store, claimed: jobs.claimed, log }, signal),
        expire(new OrderStore(pool), (holder) => artifacts.release(holder), log, signal),
      ]);
    } finally {
      fleet.close();
    }
  },
};

async function surroundings({ mesh, consul }: PartContext, contracts: Contracts): Promise<Surroundings> {
  const providers = new Map<string, Promise<string>>();
  return {
    state: await mesh.state(),
    contract: (service, version, method) => contracts.method(service, version, method),
    providerOf(service) {
      const known = providers.get(service) ?? ownerOf({ consul }, service).then((owner) => owner ?? NOBODYS);
      providers.set(service, known);
      return known;
    },
  };
}

/** Reads the output of jobs that run from their hosts. */
function jobLogs(hosts: PartContext["hosts"]): JobLogs {
  return async function* (task, follow, signal) {
    const address = hosts.current().get(task.host ?? "")?.address;
    if (address === undefined) return;
    const jobs = new HostJobs(address);
    try {
      const id = jobId({ orderId: task.order_id, position: task.position, attempt: task.attempts });
      yield* jobs.logs(id, follow, signal);
    } catch {
      // It has ended and was forgotten, or its host does not answer: what is known is in the database, or comes there.
    } finally {
      jobs.close();
    }
  };
}

/** Forgets orders whose time is over, and lets go of their artifacts. */
async function expire(
  store: OrderStore,
  release: (holder: string) => Promise<void>,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for (const id of await store.expired(EXPIRED_AT_ONCE)) {
        await release(holderOf(id));
        await store.forget(id);
      }
    } catch (err) {
      log.warn({ err }, "orders whose time is over are still there");
    }
    await sleep(EXPIRE_MS, undefined, { signal }).catch(() => undefined);
  }
}
