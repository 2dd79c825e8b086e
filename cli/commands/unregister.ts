import type { Command } from "commander";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";

/** `rouse unregister`: takes a version out of the catalog. */
export function addUnregister(program: Command): void {
  program
    .command("unregister")
    .description("take a version out of the catalog; calls for it are NOT_FOUND from then on")
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .argument("<version>", "exact version")
    .option("--registry <host:port>", "the registry, when it is not that of the mesh on this host")
    .action(async (service: string, version: string, flags: { registry?: string }) => {
      await withClient(RegistryClient, flags.registry ?? readMesh().registry, (client) =>
        unary(client, "removeVersion", { service, version }),
      );
      console.log(`unregistered ${service} ${version}; its bundle stays in the registry's folder`);
    });
}
