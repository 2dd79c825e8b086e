import type { Command } from "commander";
import { readMesh } from "../connect.ts";
import { parseAgo, parseCount } from "../flags.ts";

interface LogFlags {
  version?: string;
  instance?: string;
  host?: string;
  contains?: string;
  since?: number;
  tail: number;
  follow?: true;
  json?: true;
}

/** `rouse logs`: what instances wrote. */
export function addLogs(program: Command): void {
  program
    .command("logs")
    .description("show what instances wrote, on all hosts, those that ended included")
    .argument("[service]", "full name, such as genome.v1.GenomeService; default: all services")
    .option("--version <version>", "only this exact version")
    .option("--instance <id>", "only this instance")
    .option("--host <name>", "only instances on this host")
    .option("--contains <text>", "only lines with this text, whatever the case")
    .option("--since <time>", "only lines of the last time, such as 90s, 10m, 6h or 7d", parseAgo)
    .option("--tail <lines>", "lines of the past, up to 10000", parseCount, 200)
    .option("-f, --follow", "go on until Ctrl-C")
    .option("--json", "print JSON lines")
    .action(async (service: string | undefined, flags: LogFlags) => {
      const { showLogs } = await import("../logs.ts");
      const { version = "", instance = "", host = "", contains = "", since = 0 } = flags;
      const { tail, follow = false, json = false } = flags;
      const fromMs = since === 0 ? 0 : Date.now() - since;
      const which = { service: service ?? "", version, instance, host, contains, fromMs };
      await showLogs(readMesh(), { ...which, tail, follow, json });
    });
}
