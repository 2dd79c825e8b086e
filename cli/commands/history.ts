import type { Command } from "commander";
import { ReleasesClient } from "#proto/rouse/registry/v1/releases.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { parseCount } from "../flags.ts";
import { REGISTRY_FLAG, time } from "../releases/print.ts";
import { table } from "../table.ts";

/** `rouse history`: all that happened to a service. */
export function addHistory(program: Command): void {
  program
    .command("history")
    .description("what happened to a service, newest first: registrations, promotions, decisions, rollbacks")
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .option("--limit <count>", "how many", parseCount, 100)
    .option("--json", "print JSON")
    .option(...REGISTRY_FLAG)
    .action(async (service: string, flags: { limit: number; json?: true; registry?: string }) => {
      const { entries } = await withClient(ReleasesClient, flags.registry ?? readMesh().registry, (client) =>
        unary(client, "listHistory", { service, limit: flags.limit }),
      );
      if (flags.json === true) return console.log(JSON.stringify(entries, null, 2));
      const rows = entries.map(({ atMs, by, what, version, tag, detail }) => [
        time(atMs),
        by,
        what,
        version || "-",
        tag || "-",
        detail.replaceAll(/\s+/g, " "),
      ]);
      for (const line of table(["AT", "BY", "WHAT", "VERSION", "TAG", "DETAIL"], rows)) console.log(line);
    });
}
