import type { Command } from "commander";
import { readMesh } from "../connect.ts";
import { parseCount } from "../flags.ts";

/** `rouse logs`: what the instances of a service wrote. */
export function addLogs(program: Command): void {
  program
    .command("logs")
    .description("show what the instances of a service wrote, on all hosts")
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .option("--version <version>", "only this exact version")
    .option("--tail <lines>", "lines of the past for each instance", parseCount, 100)
    .option("-f, --follow", "go on until Ctrl-C")
    .option("--json", "print JSON lines")
    .action(
      async (service: string, flags: { version?: string; tail: number; follow?: true; json?: true }) => {
        const { showLogs } = await import("../logs.ts");
        const { version = "", tail, follow = false, json = false } = flags;
        await showLogs(readMesh(), { service, version, tail, follow, json });
      },
    );
}
