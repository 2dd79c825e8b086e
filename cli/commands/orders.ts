import { join } from "node:path";
import type { Command } from "commander";
import { startOrders } from "../../orders/server.ts";
import { type ArtifactFlags, addArtifactFlags, artifactSettings } from "../artifact-flags.ts";
import { dataFolder } from "../connect.ts";
import { parseAddress } from "../up/options.ts";

interface OrdersFlags extends ArtifactFlags {
  listen: string;
  consul: string;
  mesh: string;
  database?: string;
  http?: string;
  data?: string;
}

/** `rouse orders`: the server of async calls. `rouse up` starts one. */
export function addOrders(program: Command): void {
  const command = program
    .command("orders")
    .description("serve async calls (rouse.orders.v1)")
    .option("--listen <host:port>", "where it listens", "127.0.0.1:8074")
    .option("--consul <host:port>", "Consul, which holds the catalog", "127.0.0.1:8500")
    .option(
      "--mesh <host:port>",
      "the mesh's listener for services, through which it calls",
      "127.0.0.1:8081",
    )
    .option("--http <host:port>", "where it listens for HTTP: contents of artifacts", parseAddress)
    .option("--database <url>", "postgresql://… (default: a PostgreSQL of its own in the data folder)")
    .option("--data <folder>", "the mesh's data folder; orders/ below it is used (also ROUSE_DATA)")
    .action(async (flags: OrdersFlags) => {
      const { listen, consul, mesh, database, http, data } = flags;
      const orders = await startOrders({
        listen,
        consul,
        mesh,
        ...(database === undefined ? {} : { database }),
        ...(http === undefined ? {} : { http }),
        artifacts: artifactSettings(flags),
        dataDir: join(dataFolder(data), "orders"),
      });
      console.log(`orders listen on ${orders.address}`);
      const stop = () => void orders.close();
      process.once("SIGTERM", stop).once("SIGINT", stop);
    });
  addArtifactFlags(command);
}
