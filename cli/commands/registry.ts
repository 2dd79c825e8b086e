import { join } from "node:path";
import type { Command } from "commander";
import { startRegistry } from "../../registry/server.ts";
import { addBuildFlags, type BuildFlags } from "../build-flags.ts";
import { dataFolder } from "../connect.ts";

/** `rouse registry`: the catalog's server. `rouse up` starts one. */
export function addRegistry(program: Command): void {
  const command = program
    .command("registry")
    .description("serve the catalog of services (rouse.registry.v1.Registry)")
    .option("--listen <host:port>", "where it listens", "127.0.0.1:8071")
    .option(
      "--http <host:port>",
      "where its HTTP side listens: site, MCP, OpenAPI, metrics",
      "127.0.0.1:8070",
    )
    .option("--consul <host:port>", "Consul, which holds the catalog", "127.0.0.1:8500")
    .option("--control <host:port>", "the control plane, which knows the wakes")
    .option("--edge <host:port>", "an edge, through which MCP calls services; without it there is no MCP")
    .option("--otlp <host:port>", "OTLP collector (gRPC) that all traces and counts are passed on to")
    .option("--data <folder>", "the mesh's data folder; bundles are in registry/ below it (also ROUSE_DATA)")
    .option("--open-registration", "anybody may make a provider, not only the administrator");
  addBuildFlags(command).action(
    async (
      flags: BuildFlags & {
        listen: string;
        http: string;
        consul: string;
        control?: string;
        edge?: string;
        otlp?: string;
        openRegistration?: boolean;
        data?: string;
      },
    ) => {
      const { listen, http, consul, control, edge, otlp, openRegistration = false } = flags;
      const registry = await startRegistry({
        listen,
        http,
        consul,
        openRegistration,
        builds: { parallel: flags.parallelBuilds, limits: { timeMs: flags.buildTimeout } },
        ...(control === undefined ? {} : { control }),
        ...(edge === undefined ? {} : { edge }),
        ...(otlp === undefined ? {} : { otlp }),
        dataDir: join(dataFolder(flags.data), "registry"),
      });
      console.log(`registry listens on ${registry.address}, HTTP on ${registry.httpAddress}`);
      const stop = () => void registry.close();
      process.once("SIGTERM", stop).once("SIGINT", stop);
    },
  );
}
