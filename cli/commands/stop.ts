import type { Command } from "commander";
import { OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";

/** `rouse stop`: takes a version out of use until `rouse start`. */
export function addStop(program: Command): void {
  program
    .command("stop")
    .description("stop a version gracefully; calls get UNAVAILABLE with the reason, and do not wake it")
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .argument("<version>", "exact version, such as 1.0.0")
    .requiredOption("--reason <text>", "what callers are told")
    .action(async (service: string, version: string, { reason }: { reason: string }) => {
      const { stoppedInstances } = await withClient(OrchestratorClient, readMesh().control, (client) =>
        unary(client, "stopVersion", { service, version, reason }, { deadlineMs: 60_000 }),
      );
      const instances =
        stoppedInstances === 0
          ? "no instance was running"
          : stoppedInstances === 1
            ? "1 instance ends when its calls are done"
            : `${stoppedInstances} instances end when their calls are done`;
      console.log(
        `${service} ${version} is stopped: ${instances}. To start it again: rouse start ${service} ${version}`,
      );
    });
}
