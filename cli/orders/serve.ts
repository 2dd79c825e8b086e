import { join } from "node:path";
import type { Command } from "commander";
import { type ArtifactFlags, addArtifactFlags, artifactSettings } from "../artifact-flags.ts";
import { dataFolder } from "../connect.ts";
import { administratorsKey } from "../keys.ts";
import { guardWorkHelp, parseAddress } from "../up/options.ts";

interface ServeFlags extends ArtifactFlags {
  listen: string;
  consul: string;
  mesh: string;
  database?: string;
  http?: string;
  guardWork?: true;
  data?: string;
}

/** `rouse orders serve`: the server of orders. `rouse up` starts one. */
export function addServe(orders: Command): void {
  const command = orders
    .command("serve")
    .description("serve async calls, orders, artifacts, tasks and durable runs (rouse.orders.v1)")
    .option("--listen <host:port>", "where it listens", "127.0.0.1:8074")
    .option("--consul <host:port>", "Consul, which holds the catalog", "127.0.0.1:8500")
    .option(
      "--mesh <host:port>",
      "the mesh's listener for services, through which it calls",
      "127.0.0.1:8081",
    )
    .option("--http <host:port>", "where it listens for HTTP: contents of artifacts", parseAddress)
    .option("--database <url>", "postgresql://… (default: a PostgreSQL of its own in the data folder)")
    .option("--guard-work", guardWorkHelp)
    .option("--data <folder>", "the mesh's data folder; orders/ below it is used (also ROUSE_DATA)")
    .action(async (flags: ServeFlags) => {
      const { startOrders } = await import("../../orders/server.ts");
      const { adminKey } = await import("../../registry/access.ts");
      const { listen, consul, mesh, database, http, guardWork, data } = flags;
      // Who needs it first makes it.
      if (guardWork === true) await adminKey(join(dataFolder(data), "registry"));
      const server = await startOrders({
        listen,
        consul,
        mesh,
        ...(database === undefined ? {} : { database }),
        ...(http === undefined ? {} : { http }),
        administrator: () => administratorsKey(dataFolder(data))?.key,
        guarded: guardWork === true,
        artifacts: artifactSettings(flags),
        dataDir: join(dataFolder(data), "orders"),
      });
      console.log(`orders listen on ${server.address}`);
      const stop = () => void server.close();
      process.once("SIGTERM", stop).once("SIGINT", stop);
    });
  addArtifactFlags(command);
}
