import { type SpawnOptions, spawn } from "node:child_process";
import { RouseError } from "../sdk/errors.ts";

export interface CommandResult {
  /** Exit code; 128 when a signal ended it, 127 when it could not be started. */
  readonly code: number;
  /** stdout and stderr as they came. */
  readonly output: string;
}

/** Runs a program to its end and keeps its output. */
export function runCommand(
  file: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const take = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout?.on("data", take);
    child.stderr?.on("data", take);
    child.on("error", (error) => resolve({ code: 127, output: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 128, output }));
  });
}

/**
 * As {@link runCommand}, for a step of the set-up that must succeed.
 *
 * @param remedy what to do when it does not, as a clause.
 * @throws RouseError FAILED_PRECONDITION SETUP_FAILED with the last lines of the output.
 */
export async function mustRun(
  file: string,
  args: readonly string[],
  remedy: string,
  options: SpawnOptions = {},
): Promise<string> {
  const { code, output } = await runCommand(file, args, options);
  if (code === 0) return output;
  const last = output.trim().split("\n").slice(-8).join("\n  ");
  throw new RouseError(
    "FAILED_PRECONDITION",
    `"${[file, ...args].join(" ")}" failed (exit code ${code}): ${remedy}. Its last words:\n  ${last}`,
    { reason: "SETUP_FAILED" },
  );
}
