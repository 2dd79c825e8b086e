import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { type FileReport, REPORT_VARIABLE } from "./test-report.ts";

const root = join(import.meta.dirname, "..");

/** How many tests passed, failed and were left out. */
export interface Tally {
  passed: number;
  failed: number;
  readonly leftOut: string[];
  /** Passed on the second try only, with what the first one said. */
  readonly secondTry: string[];
}

/** Runs one check as a test of its own: it passes when its exit code is 0. */
export async function check(title: string, command: readonly string[], tally: Tally): Promise<void> {
  console.log(`\n=== ${title}`);
  if ((await show(command)) === 0) tally.passed += 1;
  else tally.failed += 1;
}

const reportSchema: z.ZodType<FileReport[]> = z.array(
  z.object({
    file: z.string(),
    tests: z.array(
      z.object({ name: z.string(), state: z.enum(["passed", "failed", "left out"]), error: z.string() }),
    ),
    errors: z.array(z.string()),
  }),
);

/**
 * Runs vitest and adds what its report says; a run that ends badly without a failed test counts as one.
 *
 * In CI a file in which something failed is run once more, as a whole and when all others are done: a machine that others load
 * as well may fail a test of real programs by chance, and what such a test shares with its neighbours may be the worse for it.
 * What needed the second try is told.
 */
export async function vitest(args: readonly string[], env: NodeJS.ProcessEnv, tally: Tally): Promise<void> {
  console.log("\n=== tests");
  const first = await runTests(args, env);
  const names = first.files.filter(failed).map(({ file }) => file);
  const second = new Map<string, FileReport>();
  if (env.CI !== undefined && names.length > 0 && !names.includes("") && !interrupted) {
    console.log(`\n=== once more: ${names.map(short).join(", ")}`);
    for (const file of (await runTests(names, env)).files) second.set(file.file, file);
  }
  for (const file of first.files) {
    const again = second.get(file.file);
    count(again ?? file, tally);
    if (again !== undefined && !failed(again)) tally.secondTry.push(...failures(file));
  }
  if (first.files.length === 0 || (first.code !== 0 && names.length === 0)) tally.failed += 1;
}

async function runTests(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: number; readonly files: readonly FileReport[] }> {
  const folder = mkdtempSync(join(tmpdir(), "rouse-report-"));
  const report = join(folder, "report.json");
  try {
    const reporters = ["--reporter=default", "--reporter=./setup/test-report.ts"];
    const code = await show(["vitest", "run", ...reporters, ...args], { ...env, [REPORT_VARIABLE]: report });
    if (!existsSync(report)) return { code, files: [] };
    return { code, files: reportSchema.parse(JSON.parse(readFileSync(report, "utf8"))) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function failed({ tests, errors }: FileReport): boolean {
  return errors.length > 0 || tests.some(({ state }) => state === "failed");
}

function count({ file, tests, errors }: FileReport, tally: Tally): void {
  tally.passed += tests.filter(({ state }) => state === "passed").length;
  const failures = tests.filter(({ state }) => state === "failed").length;
  tally.failed += failures === 0 && errors.length > 0 ? 1 : failures;
  for (const { name, state } of tests)
    if (state === "left out") tally.leftOut.push(`${short(file)}: ${name}`);
}

/** What failed in a file, with the first line of what it said. */
function failures({ file, tests, errors }: FileReport): string[] {
  const told = tests.filter(({ state }) => state === "failed").map(({ name, error }) => `${name}: ${error}`);
  return [...told, ...errors].map((line) => `${short(file)}: ${line}`);
}

function short(name: string): string {
  return name.replace(`${root}/`, "");
}

let interrupted = false;

/** True once a signal has ended a check: the rest is not worth running. */
export function wasInterrupted(): boolean {
  return interrupted;
}

/** Runs a program of node_modules with its output shown; signals end it rather than this process. */
function show(
  [name = "", ...args]: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  if (interrupted) return Promise.resolve(130);
  return new Promise((resolve) => {
    const child = spawn(join(root, "node_modules", ".bin", name), args, { cwd: root, stdio: "inherit", env });
    const onSignal = (signal: NodeJS.Signals) => {
      interrupted = true;
      child.kill(signal);
    };
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    for (const signal of signals) process.on(signal, onSignal);
    const end = (code: number) => {
      for (const signal of signals) process.off(signal, onSignal);
      resolve(code);
    };
    child.on("error", () => end(127));
    child.on("exit", (code) => end(code ?? 128));
  });
}
