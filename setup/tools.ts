import { spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import semver from "semver";
import { RouseError } from "../sdk/errors.ts";
import { cachedTool } from "./cache.ts";

/** A program that Rouse runs and npm does not bring. */
export interface Tool {
  /** What people call it. */
  readonly title: string;
  /** What is installed. */
  readonly version: string;
  /** What is good enough when it is found on PATH or named by the environment. */
  readonly range: string;
  /** Environment variable that names the file. */
  readonly variable: string;
  /** Arguments that make it print its version. */
  readonly versionArguments: readonly string[];
}

export const tools = {
  envoy: {
    title: "Envoy",
    version: "1.40.0",
    range: "~1.40.0",
    variable: "ENVOY_BIN",
    versionArguments: ["--version"],
  },
  consul: {
    title: "Consul",
    version: "1.22.2",
    range: "~1.22.0",
    variable: "CONSUL_BIN",
    versionArguments: ["version"],
  },
  otelcol: {
    title: "OpenTelemetry Collector",
    version: "0.162.0",
    range: ">=0.100.0 <1",
    variable: "OTELCOL_BIN",
    versionArguments: ["--version"],
  },
  rclone: {
    title: "rclone",
    version: "1.75.2",
    range: ">=1.68.0 <2",
    variable: "RCLONE_BIN",
    versionArguments: ["version"],
  },
  ghz: {
    title: "ghz",
    version: "0.121.0",
    range: ">=0.121.0 <1",
    variable: "GHZ_BIN",
    versionArguments: ["--version"],
  },
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof tools;

const found = new Map<string, string>();

/**
 * The file of a tool: the one that its environment variable names, else a fitting one on PATH, else the cached one.
 *
 * @param note is told about a program on PATH that is passed over for its version.
 * @throws RouseError FAILED_PRECONDITION TOOL_MISSING when there is none, TOOL_UNFIT when the environment variable
 *   names a file that does not run or has the wrong version.
 */
export function findTool(name: ToolName, note: (line: string) => void = () => {}): string {
  const tool: Tool = tools[name];
  const named = process.env[tool.variable];
  const key = [name, named, process.env.PATH, cachedTool(name, tool.version)].join("\0");
  const known = found.get(key);
  if (known !== undefined) return known;
  const file = named ? namedTool(tool, named) : (toolOnPath(name, note) ?? toolInCache(name));
  if (file === undefined)
    throw new RouseError(
      "FAILED_PRECONDITION",
      `${tool.title} ${tool.version} is not installed: run "npm start" once, which installs it, or set ${tool.variable} to the program.`,
      { reason: "TOOL_MISSING" },
    );
  found.set(key, file);
  return file;
}

/** As {@link findTool}, but undefined when there is none. */
export function lookForTool(name: ToolName, note?: (line: string) => void): string | undefined {
  try {
    return findTool(name, note);
  } catch (error) {
    if (error instanceof RouseError && error.reason === "TOOL_MISSING") return undefined;
    throw error;
  }
}

/** What a program says its version is; undefined when it does not run or says none. */
export function toolVersion(tool: Tool, file: string): string | undefined {
  const run = spawnSync(file, tool.versionArguments, { encoding: "utf8", timeout: 20_000 });
  return /\d+\.\d+\.\d+/.exec(`${run.stdout ?? ""}\n${run.stderr ?? ""}`)?.[0];
}

function namedTool(tool: Tool, file: string): string {
  const version = toolVersion(tool, file);
  if (version !== undefined && semver.satisfies(version, tool.range)) return file;
  const what = version === undefined ? "does not run or says no version" : `is version ${version}`;
  throw new RouseError(
    "FAILED_PRECONDITION",
    `${tool.variable} names ${file}, which ${what}; Rouse needs ${tool.title} ${tool.range}: set it to such a one, or unset it and run "npm start", which installs ${tool.version}.`,
    { reason: "TOOL_UNFIT" },
  );
}

function toolOnPath(name: ToolName, note: (line: string) => void): string | undefined {
  const tool: Tool = tools[name];
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(folder, name);
    if (folder === "" || !isProgram(file)) continue;
    const version = toolVersion(tool, file);
    if (version !== undefined && semver.satisfies(version, tool.range)) return file;
    note(`${file} is passed over: its version is ${version ?? "unknown"}, Rouse needs ${tool.range}`);
  }
  return undefined;
}

function toolInCache(name: ToolName): string | undefined {
  const file = cachedTool(name, tools[name].version);
  return isProgram(file) ? file : undefined;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
