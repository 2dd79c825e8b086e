import { type Command, InvalidArgumentError } from "commander";
import { parseDuration } from "../codegen/plugin/duration.ts";

export interface DrainFlags {
  readonly reason: string;
  /** ms. */
  readonly deadline: number;
  readonly detach?: true;
}

/** Adds what `rouse drain` and `rouse maintenance` have in common. */
export function addDrainFlags(command: Command): Command {
  return command
    .argument("<host>", 'as "rouse hosts" names it')
    .option("--reason <words>", "shown to whoever wonders", "by hand")
    .option(
      "--deadline <time>",
      "how long instances may take to be replaced and to end their calls, such as 90s or 1h",
      parseDeadline,
      600_000,
    )
    .option("--detach", "do not wait until the host is empty");
}

function parseDeadline(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new InvalidArgumentError(`"${text}" is no time: give one such as 90s, 10m or 1h.`);
}
