import { writeFileSync } from "node:fs";
import type { SerializedError, TestModule } from "vitest/node";

/** Environment variable that names the file to write. */
export const REPORT_VARIABLE = "ROUSE_TEST_REPORT";

/** How the tests of one file ended. */
export interface FileReport {
  /** Absolute path. */
  readonly file: string;
  readonly tests: readonly {
    readonly name: string;
    readonly state: "passed" | "failed" | "left out";
    /** First line of what failed; empty when nothing did. */
    readonly error: string;
  }[];
  /** What failed beside a test: the file itself, a set-up, an error that nobody caught. */
  readonly errors: readonly string[];
}

/** A reporter of vitest that also tells which file an uncaught error came from: vitest's JSON leaves those out. */
export default class TestReport {
  onTestRunEnd(modules: readonly TestModule[], uncaught: readonly SerializedError[]): void {
    const file = process.env[REPORT_VARIABLE];
    if (file !== undefined) writeFileSync(file, JSON.stringify(reportOf(modules, uncaught)));
  }
}

function reportOf(modules: readonly TestModule[], uncaught: readonly SerializedError[]): FileReport[] {
  const files = new Map<string, { tests: FileReport["tests"]; errors: string[] }>();
  for (const module of modules) {
    const tests = [...module.children.allTests()].map((test) => {
      const { state, errors = [] } = test.result();
      return {
        name: test.fullName,
        state: state === "passed" || state === "failed" ? state : ("left out" as const),
        error: line(errors[0]),
      };
    });
    const suites = [...module.children.allSuites()].flatMap((suite) => suite.errors());
    files.set(module.moduleId, { tests, errors: [...module.errors(), ...suites].map(line) });
  }
  for (const error of uncaught) {
    const path = typeof error.VITEST_TEST_PATH === "string" ? error.VITEST_TEST_PATH : "";
    const of = files.get(path) ?? { tests: [], errors: [] };
    of.errors.push(`not caught: ${line(error)}`);
    files.set(path, of);
  }
  return [...files].map(([file, report]) => ({ file, ...report }));
}

function line(error: { readonly message?: string } | undefined): string {
  return (error?.message ?? "").split("\n")[0] ?? "";
}
