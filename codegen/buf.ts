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

/** Runs buf in a folder. @throws RouseError INTERNAL when it cannot be started. */
export async function runBuf(args: readonly string[], cwd: string): Promise<BufResult> {
  const child = spawn(process.execPath, [buf, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
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
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), code]);
  return { code: status, stdout, stderr };
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
