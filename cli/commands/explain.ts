import type { Command } from "commander";
import { OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { placementLines } from "../placement-lines.ts";

/** `rouse explain`: why instances are where they are, and where the next one would go. */
export function addExplain(program: Command): void {
  program
    .command("explain")
    .description(
      "say why a version's instances are on their hosts, and where one more would go or what keeps it out",
    )
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .argument("[version]", "version, line, range or tag (default: where calls without a version go)")
    .option("--json", "print JSON")
    .action(async (service: string, version: string | undefined, flags: { json?: true }) => {
      const explained = await withClient(OrchestratorClient, readMesh().control, (client) =>
        unary(client, "explainPlacement", { service, version: version ?? "" }),
      );
      if (flags.json === true) console.log(JSON.stringify(explained, null, 2));
      else for (const line of placementLines(explained)) console.log(line);
    });
}
