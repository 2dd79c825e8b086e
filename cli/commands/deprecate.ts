import type { Command } from "commander";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";

/** `rouse deprecate`: tells callers of a version to go elsewhere. */
export function addDeprecate(program: Command): void {
  program
    .command("deprecate")
    .description("tell callers of a version to go elsewhere, and why; it still runs")
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .argument("<version>", "exact version")
    .option("--reason <text>", "why, and where to go")
    .option("--undo", "take it back")
    .option("--registry <host:port>", "the registry, when it is not that of the mesh on this host")
    .action(
      async (
        service: string,
        version: string,
        flags: { reason?: string; undo?: true; registry?: string },
      ) => {
        const reason = flags.reason?.trim() ?? "";
        if ((flags.undo === true) === (reason !== "")) {
          throw new RouseError("INVALID_ARGUMENT", "Say why by --reason TEXT, or take it back by --undo.", {
            reason: "FLAG_INVALID",
          });
        }
        await withClient(RegistryClient, flags.registry ?? readMesh().registry, (client) =>
          unary(client, "deprecateVersion", { service, version, reason }),
        );
        console.log(
          reason === ""
            ? `${service} ${version} is deprecated no longer`
            : `${service} ${version} is deprecated: ${reason}`,
        );
      },
    );
}
