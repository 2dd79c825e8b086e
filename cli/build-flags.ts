import { type Command, InvalidArgumentError, Option } from "commander";
import { formatDuration, parseDuration } from "../codegen/plugin/duration.ts";
import { DEFAULT_PARALLEL, defaultLimits } from "../registry/builds/limits.ts";
import { parseCount } from "./flags.ts";

/** How the registry builds from git. */
export interface BuildFlags {
  /** Longest time of one build, ms. */
  readonly buildTimeout: number;
  /** Builds that run at the same time. */
  readonly parallelBuilds: number;
}

/** Gives a command the flags of {@link BuildFlags}. */
export function addBuildFlags(command: Command): Command {
  const timeout = new Option("--build-timeout <time>", "longest time of a build from git")
    .argParser(parseTime)
    .default(defaultLimits.timeMs, formatDuration(defaultLimits.timeMs));
  return command
    .addOption(timeout)
    .option(
      "--parallel-builds <count>",
      "builds from git that run at the same time",
      parseCount,
      DEFAULT_PARALLEL,
    );
}

/** The flags as arguments, for the registry that `rouse up` starts. */
export function buildArguments({ buildTimeout, parallelBuilds }: BuildFlags): string[] {
  return ["--build-timeout", formatDuration(buildTimeout), "--parallel-builds", String(parallelBuilds)];
}

function parseTime(text: string): number {
  const ms = parseDuration(text);
  // Timers count in 32 bits.
  if (ms !== undefined && ms >= 1 && ms < 2 ** 31) return ms;
  throw new InvalidArgumentError(`"${text}" is no time for a build: give one such as 90s, 15m or 2h.`);
}
