import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mustRun } from "./command.ts";
import { goEnvironment } from "./go.ts";
import type { Tool } from "./tools.ts";

/** Builds a small OpenTelemetry Collector, for the test of the hand-over, from the modules that setup/collector/go.sum pins. */
export async function installCollector(folder: string, tool: Tool): Promise<string> {
  const source = join(folder, "source");
  cpSync(fileURLToPath(new URL("collector/", import.meta.url)), source, { recursive: true });
  const made = join(folder, "otelcol");
  const flags = [
    "-mod=readonly",
    "-trimpath",
    "-buildvcs=false",
    "-ldflags",
    `-X main.version=${tool.version}`,
  ];
  const remedy = `see whether Go reaches its module proxy, or set ${tool.variable} to an OpenTelemetry Collector ${tool.range}`;
  const env = await goEnvironment(tool);
  await mustRun("go", ["build", ...flags, "-o", made, "."], remedy, { cwd: source, env });
  return made;
}
