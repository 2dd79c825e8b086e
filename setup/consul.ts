import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mustRun } from "./command.ts";
import { goEnvironment } from "./go.ts";
import type { Tool } from "./tools.ts";

/** Builds Consul, with its web page, from the modules that setup/consul/go.sum pins. */
export async function installConsul(folder: string, tool: Tool): Promise<string> {
  // Consul's submodules are missing from Go's checksum database; go.sum pins them all the same.
  const env = { ...(await goEnvironment(tool)), GONOSUMDB: "github.com/hashicorp/*" };
  const source = join(folder, "source");
  cpSync(fileURLToPath(new URL("consul/", import.meta.url)), source, { recursive: true });
  const made = join(folder, "consul");
  const flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-o", made];
  const remedy = `see whether Go reaches its module proxy, or set ${tool.variable} to Consul ${tool.version}`;
  await mustRun("go", ["build", ...flags, "github.com/hashicorp/consul"], remedy, { cwd: source, env });
  return made;
}
