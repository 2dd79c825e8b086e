import type { Command } from "commander";
import { HealthClient } from "#proto/rouse/orchestrator/v1/health.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { healthLines } from "../quarantine.ts";

/** `rouse quarantine`: what is not well, and an end to it. */
export function addQuarantine(program: Command): void {
  const quarantine = program
    .command("quarantine")
    .description("show which instances, versions and hosts are not well, or use one again")
    .option("--json", "print JSON")
    .action(list);
  quarantine
    .command("list")
    .description("list what is not well, and why")
    .option("--json", "print JSON")
    .action(list);
  quarantine
    .command("release")
    .description("use an instance or a host again at once, and forgive what was held against it")
    .argument("<name>", "id of an instance, or name of a host")
    .option("--host", "it is a host")
    .action(async (name: string, flags: { host?: true }) => {
      const request = flags.host ? { instanceId: "", host: name } : { instanceId: name, host: "" };
      await withClient(HealthClient, readMesh().control, (client) =>
        unary(client, "releaseQuarantine", request),
      );
      console.log(`${name} is used again`);
    });
}

async function list(flags: { json?: true }): Promise<void> {
  const health = await withClient(HealthClient, readMesh().control, (client) =>
    unary(client, "listHealth", {}),
  );
  if (flags.json === true) return console.log(JSON.stringify(health, null, 2));
  const lines = healthLines(health, Date.now());
  for (const line of lines.length === 0 ? ["all is well"] : lines) console.log(line);
}
