import type { Command } from "commander";
import { OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";

/** A start has ten minutes at most by contract; ms. */
const DEADLINE_MS = 11 * 60_000;

/** `rouse start`: wakes a version by hand. */
export function addStart(program: Command): void {
  program
    .command("start")
    .description("start a version now, and let calls wake it again if it was stopped")
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .argument("<version>", "exact version, such as 1.0.0")
    .action(async (service: string, version: string) => {
      const { instanceId, host, address } = await withClient(
        OrchestratorClient,
        readMesh().control,
        (client) => unary(client, "startVersion", { service, version }, { deadlineMs: DEADLINE_MS }),
      );
      console.log(`${service} ${version} serves: instance ${instanceId} on ${host}, ${address}`);
    });
}
