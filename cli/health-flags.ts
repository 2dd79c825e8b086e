import { type Command, InvalidArgumentError, Option } from "commander";
import { formatDuration, parseDuration } from "../codegen/plugin/duration.ts";
import { INSTANCE_LIMITS } from "../orchestrator/health/machine.ts";

/** How long instances that are not well are kept from calls. */
export interface HealthFlags {
  /** First quarantine of an instance, ms. */
  readonly quarantine: number;
  /** Its probation, ms. */
  readonly probation: number;
}

const LEAST_MS = 1_000;
const MOST_MS = 3_600_000;

/** Gives a command the flags of {@link HealthFlags}. */
export function addHealthFlags(command: Command): Command {
  const { quarantineMs, probationMs } = INSTANCE_LIMITS;
  return command
    .addOption(
      span(
        "--quarantine <time>",
        quarantineMs,
        "first quarantine of an instance; each further one is twice as long",
      ),
    )
    .addOption(
      span(
        "--probation <time>",
        probationMs,
        "how long an instance that was quarantined gets a tenth of its calls",
      ),
    );
}

/** The flags as arguments, for the control planes that `rouse up` starts. */
export function healthArguments({ quarantine, probation }: HealthFlags): string[] {
  return ["--quarantine", formatDuration(quarantine), "--probation", formatDuration(probation)];
}

function span(flags: string, defaultMs: number, about: string): Option {
  return new Option(flags, about).argParser(parseSpan).default(defaultMs, formatDuration(defaultMs));
}

function parseSpan(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= LEAST_MS && ms <= MOST_MS) return ms;
  throw new InvalidArgumentError(`"${text}" is no such time: give one from 1s to 1h, such as 10s.`);
}
