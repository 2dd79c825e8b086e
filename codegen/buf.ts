import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { RouseError } from "../sdk/errors.ts";
import type { Problem } from "./problems.ts";

/** npm's package for buf is a small script that finds the program for this machine. */
const buf = createRequire(import.meta.url).resolve("@bufbuild/buf/bin/buf");

/** How a buf command ended. */
export interface BufResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs buf in a folder.
 *
 * @param options.limitMs Longest time that it may take, ms; default: any.
 * @throws RouseError INTERNAL BUF_UNAVAILABLE when it cannot be started, DEADLINE_EXCEEDED BUF_TIMEOUT after the limit.
 */
export async function runBuf(
  args: readonly string[],
  cwd: string,
  { limitMs }: { readonly limitMs?: number } = {},
): Promise<BufResult> {
  // A group of its own, for the script starts the program as its child.
  const detached = limitMs !== undefined;
  const child = spawn(process.execPath, [buf, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"], detached });
  let late = false;
  const limit = detached
    ? setTimeout(() => {
        late = true;
        endGroup(child.pid);
      }, limitMs)
    : undefined;
  const code = new Promise<number>((resolve, reject) => {
    child.once("error", (cause) =>
      reject(
        new RouseError("INTERNAL", `buf cannot be started (${cause.message}). Run "npm install" again.`, {
          reason: "BUF_UNAVAILABLE",
          cause,
        }),
      ),
    );
    child.once("close", (status) => resolve(status ?? 1));
  });
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), code]).finally(
    () => clearTimeout(limit),
  );
  if (late) {
    throw new RouseError(
      "DEADLINE_EXCEEDED",
      `buf ${args[0]} was not done after ${limitMs} ms and was ended. Try again when the machine has less to do.`,
      { reason: "BUF_TIMEOUT" },
    );
  }
  return { code: status, stdout, stderr };
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself in this moment.
  }
}

/** One line of buf's `--error-format=json`. */
const annotation = z.object({
  path: z.string().default(""),
  start_line: z.number().default(1),
  start_column: z.number().default(1),
  type: z.string().default(""),
  message: z.string(),
});

/** What the compiler or the linter of buf found, with the way out of a lint rule. */
export function bufProblems(lines: string): Problem[] {
  return lines
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => {
      const { path, start_line, start_column, type, message } = annotation.parse(JSON.parse(line));
      return {
        file: path,
        line: start_line,
        column: start_column,
        message: type === "COMPILE" ? sentence(message) : `${sentence(message)} ${lintRemedy(type)}`,
      };
    });
}

function lintRemedy(rule: string): string {
  return `Change it, or put ${rule} under lint.except in buf.yaml.`;
}

function sentence(message: string): string {
  const line = message.trim().replace(/\s*\n\s*/g, " ");
  return /[.!?]$/.test(line) ? line : `${line}.`;
}
