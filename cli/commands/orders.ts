import { join } from "node:path";
import type { Command } from "commander";
import { startOrders } from "../../orders/server.ts";
import { dataFolder } from "../connect.ts";

interface OrdersFlags {
  listen: string;
  consul: string;
  mesh: string;
  database?: string;
  data?: string;
}

/** `rouse orders`: the server of async calls. `rouse up` starts one. */
export function addOrders(program: Command): void {
  program
    .command("orders")
    .description("serve async calls (rouse.orders.v1)")
    .option("--listen <host:port>", "where it listens", "127.0.0.1:8074")
    .option("--consul <host:port>", "Consul, which holds the catalog", "127.0.0.1:8500")
    .option(
      "--mesh <host:port>",
      "the mesh's listener for services, through which it calls",
      "127.0.0.1:8081",
    )
    .option("--database <url>", "postgresql://… (default: a PostgreSQL of its own in the data folder)")
    .option("--data <folder>", "the mesh's data folder; orders/ below it is used (also ROUSE_DATA)")
    .action(async ({ listen, consul, mesh, database, data }: OrdersFlags) => {
      const orders = await startOrders({
        listen,
        consul,
        mesh,
        ...(database === undefined ? {} : { database }),
        dataDir: join(dataFolder(data), "orders"),
      });
      console.log(`orders listen on ${orders.address}`);
      const stop = () => void orders.close();
      process.once("SIGTERM", stop).once("SIGINT", stop);
    });
}
