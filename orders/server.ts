import { existsSync } from "node:fs";
import { join } from "node:path";
import { Server } from "@grpc/grpc-js";
import { type Logger, pino } from "pino";
import { OperationsService } from "#proto/rouse/orders/v1/operations.ts";
import { ConsulClient } from "../registry/consul.ts";
import { MeshFollower } from "../registry/follower.ts";
import { announceOrders } from "../registry/parts.ts";
import { listen } from "../sdk/grpc.ts";
import { type OrdersDatabase, openDatabase } from "./database/connect.ts";
import { Changes } from "./operations/changes.ts";
import { MeshCalls, MOST_BYTES } from "./operations/mesh-call.ts";
import { Runner } from "./operations/runner.ts";
import { operationsService } from "./operations/service.ts";
import { OperationStore } from "./operations/store.ts";

export interface OrdersOptions {
  /** "host:port"; port 0: any. */
  readonly listen: string;
  /** Address of Consul, such as "127.0.0.1:8500". */
  readonly consul: string;
  /** The mesh's listener for services, "host:port" or "unix:/path". */
  readonly mesh: string;
  /** Folder of its own; the packaged PostgreSQL keeps its data there. */
  readonly dataDir: string;
  /** postgresql://… of another server. */
  readonly database?: string;
  readonly log?: Logger;
}

export interface RunningOrders {
  /** "host:port" that clients dial. */
  readonly address: string;
  /** Lets go of calls under way, and ends the database if it is the packaged one. */
  close(): Promise<void>;
}

interface Opened {
  readonly database: OrdersDatabase;
  readonly store: OperationStore;
  readonly changes: Changes;
  readonly runner: Runner;
}

/**
 * Serves async calls. The packaged PostgreSQL is started with the first of them, and from then on with this process.
 *
 * @throws RouseError ADDRESS_IN_USE, ADDRESS_UNUSABLE, CONSUL_ADDRESS_INVALID.
 */
export async function startOrders(options: OrdersOptions): Promise<RunningOrders> {
  const log = options.log ?? pino({ name: "orders" }, pino.destination(2));
  const consul = new ConsulClient({ address: options.consul });
  const mesh = new MeshFollower(consul, log);
  mesh.ready.catch(() => undefined);
  const calls = new MeshCalls(options.mesh);
  const folder = options.dataDir;

  const open = async (): Promise<Opened> => {
    const database = await openDatabase({ url: options.database, folder, log });
    const { url, pool } = database;
    const changes = new Changes(url, log.child({ part: "changes" }));
    const store = new OperationStore(pool);
    const runner = new Runner({ url, store, changes, call: calls.call, log: log.child({ part: "runner" }) });
    try {
      await changes.start();
    } catch (error) {
      await database.close();
      throw error;
    }
    runner.start();
    return { database, store, changes, runner };
  };
  let opening: Promise<Opened> | undefined;
  const opened = async () => {
    opening ??= open();
    try {
      return await opening;
    } catch (error) {
      // The next call tries it again.
      opening = undefined;
      throw error;
    }
  };

  const server = new Server({ "grpc.max_receive_message_length": 2 * MOST_BYTES });
  server.addService(OperationsService, operationsService({ state: () => mesh.state(), opened }));
  const closeAll = async () => {
    mesh.close();
    consul.close();
    const running = await opening?.catch(() => undefined);
    await running?.runner.close();
    await running?.changes.close();
    calls.close();
    await running?.database.close();
  };
  try {
    const address = await listen(server, options.listen);
    // Something may have been under way when the last process ended.
    if (options.database !== undefined || existsSync(join(folder, "postgres", "data")))
      opened().catch((err) => log.error({ err }, "the database of orders does not start"));
    const announced = announceOrders(consul, address, log);
    return {
      address,
      async close() {
        await announced.close();
        server.forceShutdown();
        await closeAll();
      },
    };
  } catch (thrown) {
    await closeAll();
    throw thrown;
  }
}
