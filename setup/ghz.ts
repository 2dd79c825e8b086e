import { join } from "node:path";
import { mustRun } from "./command.ts";
import { goEnvironment } from "./go.ts";
import type { Tool } from "./tools.ts";

/** Builds ghz, the load generator of the bench. */
export async function installGhz(folder: string, tool: Tool): Promise<string> {
  const env = { ...(await goEnvironment(tool)), GOBIN: folder };
  const remedy = `see whether Go reaches its module proxy, or set ${tool.variable} to ghz ${tool.version}`;
  const flags = ["-trimpath", "-ldflags", `-X main.version=v${tool.version}`];
  await mustRun("go", ["install", ...flags, `github.com/bojand/ghz/cmd/ghz@v${tool.version}`], remedy, {
    cwd: folder,
    env,
  });
  return join(folder, "ghz");
}
