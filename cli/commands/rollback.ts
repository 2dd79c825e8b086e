import type { Command } from "commander";
import { ReleasesClient } from "#proto/rouse/registry/v1/releases.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { REGISTRY_FLAG } from "../releases/print.ts";

/** `rouse rollback`: a tag back to what it named before. */
export function addRollback(program: Command): void {
  program
    .command("rollback")
    .description(
      "point a tag to what it named before its latest change, at once; a second one undoes the first",
    )
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .option("--tag <tag>", "which tag", "release")
    .requiredOption("--reason <text>", "why; the history keeps it")
    .option(...REGISTRY_FLAG)
    .action(async (service: string, flags: { tag: string; reason: string; registry?: string }) => {
      const { tag, reason } = flags;
      const { version, previous } = await withClient(
        ReleasesClient,
        flags.registry ?? readMesh().registry,
        (client) => unary(client, "rollback", { service, tag, reason }),
      );
      console.log(`${tag} of ${service} names ${version} again; before it named ${previous}`);
    });
}
