import type { Command } from "commander";
import { CatalogClient } from "#proto/rouse/catalog/v1/catalog.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";

/** `rouse compare`: what differs between the contracts of two versions. */
export function addCompare(program: Command): void {
  program
    .command("compare")
    .description("show what differs between the contracts of two versions, and what breaks callers")
    .argument("<service>", "its full name")
    .argument("<from>", "exact version, line, range or tag")
    .argument("<to>", "exact version, line, range or tag")
    .option("--json", "print JSON")
    .option("--registry <host:port>", "the registry, when it is not that of the mesh on this host")
    .action(async (service: string, from: string, to: string, flags: { json?: true; registry?: string }) => {
      const compared = await withClient(CatalogClient, flags.registry ?? readMesh().registry, (client) =>
        unary(client, "compareVersions", { service, from, to }),
      );
      if (flags.json === true) {
        console.log(JSON.stringify(compared, null, 2));
        return;
      }
      const { changeLines, changeSummary } = await import("../catalog/change-lines.ts");
      for (const line of changeLines(compared.changes)) console.log(line);
      console.log(changeSummary(compared.changes));
    });
}
