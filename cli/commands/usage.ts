import { type Command, Option } from "commander";
import { readMesh } from "../connect.ts";
import { parseAgo } from "../flags.ts";

interface UsageFlags {
  version?: string;
  method?: string;
  caller?: string;
  by: string[];
  since: number;
  step?: number;
  json?: true;
}

const DIMENSIONS = ["service", "version", "method", "caller"];

/** `rouse usage`: who calls what, how fast, and with what outcome. */
export function addUsage(program: Command): void {
  program
    .command("usage")
    .description("show who calls what: calls, errors, latencies and cold starts")
    .argument("[service]", "full name, such as genome.v1.GenomeService; default: all services")
    .option("--version <version>", "only this version")
    .option("--method <name>", "only this method")
    .option("--caller <service>", 'only calls from this service, or "outside"')
    .addOption(
      new Option("--by <what...>", "one line for each")
        .choices(DIMENSIONS)
        .default([], "service, or method of a service"),
    )
    .option("--since <time>", "how far back, such as 90s, 10m, 6h or 7d", parseAgo, 7 * 86_400_000)
    .option("--step <time>", "one line for each span of time, at least 1m", parseAgo)
    .option("--json", "print the answer as JSON")
    .action(async (service: string | undefined, flags: UsageFlags) => {
      const { showUsage } = await import("../usage.ts");
      const { version = "", method = "", caller = "", since, step = 0, json = false } = flags;
      const by = flags.by.length > 0 ? flags.by : service === undefined ? ["service"] : ["method"];
      const now = Date.now();
      const span = { fromMs: Math.max(0, now - since), toMs: now, stepMs: step };
      await showUsage(
        readMesh(),
        { service: service ?? "", version, method, caller, ...span, groupBy: by },
        json,
      );
    });
}
