import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

const root = join(import.meta.dirname, "..");

/** How many tests passed, failed and were left out. */
export interface Tally {
  passed: number;
  failed: number;
  readonly leftOut: string[];
  /** Passed on the second try only, with what the first one said. */
  readonly secondTry: string[];
}

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({ fullName: z.string(), status: z.string(), failureMessages: z.array(z.string()) }),
      ),
    }),
  ),
});

/** Runs one check as a test of its own: it passes when its exit code is 0. */
export async function check(title: string, command: readonly string[], tally: Tally): Promise<void> {
  console.log(`\n=== ${title}`);
  if ((await show(command)) === 0) tally.passed += 1;
  else tally.failed += 1;
}

/** Runs vitest and adds what its report says; a run that ends badly without a failed test counts as one. */
export async function vitest(args: readonly string[], env: NodeJS.ProcessEnv, tally: Tally): Promise<void> {
  console.log("\n=== tests");
  const folder = mkdtempSync(join(tmpdir(), "rouse-report-"));
  const report = join(folder, "report.json");
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    // A machine that others load as well may fail a test of real programs by chance; what needed it is told.
    const retry = env.CI === undefined ? [] : ["--retry=1"];
    const code = await show(["vitest", "run", ...retry, ...reporters, ...args], env);
    const failedBefore = tally.failed;
    const ran = addReport(report, tally);
    if ((code !== 0 && tally.failed === failedBefore) || ran === 0) tally.failed += 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns how many tests the report names. */
function addReport(file: string, tally: Tally): number {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return 0;
  }
  let ran = 0;
  for (const { name, status, assertionResults } of reportSchema.parse(JSON.parse(text)).testResults) {
    const results = assertionResults.map((result) => result.status);
    ran += results.length;
    tally.passed += results.filter((result) => result === "passed").length;
    const failed = results.filter((result) => result === "failed").length;
    // A file that could not be loaded fails without a test.
    tally.failed += status === "failed" && failed === 0 ? 1 : failed;
    for (const { fullName, status: result, failureMessages } of assertionResults) {
      const title = `${name.replace(`${root}/`, "")}: ${fullName}`;
      if (result !== "passed" && result !== "failed") tally.leftOut.push(title);
      const [first = ""] = failureMessages;
      if (result === "passed" && first !== "") tally.secondTry.push(`${title}: ${first.split("\n")[0]}`);
    }
  }
  return ran;
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
