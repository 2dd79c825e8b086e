import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { statusCodes } from "../sdk/status.ts";

const root = join(import.meta.dirname, "..");
const parts = "{agent,cli,codegen,mesh-config,orchestrator,orders,registry,sdk,setup,examples/*/src}/**/*.ts";
const name = "[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*";

interface Use {
  readonly reason: string;
  readonly file: string;
  /** Undefined where the status is not written beside the reason. */
  readonly status: string | undefined;
}

/** Each place of a source where an error gets its reason. */
function usesIn(file: string, source: string): Use[] {
  const uses: Use[] = [];
  for (const { 1: reason, index } of source.matchAll(new RegExp(`\\breason:\\s*"(${name})"`, "g"))) {
    const begin = source.lastIndexOf("new RouseError(", index);
    const status = begin < 0 ? undefined : source.slice(begin).match(/^new RouseError\(\s*"([A-Z_]+)"/)?.[1];
    uses.push({ reason: reason ?? "", file, status });
  }
  // Functions that take the reason: every literal that they are called with.
  for (const { 1: helper } of source.matchAll(/\bfunction (\w+)\(\s*reason: string/g)) {
    for (const { 1: reason } of source.matchAll(new RegExp(`\\b${helper}\\(\\s*"(${name})"`, "g")))
      uses.push({ reason: reason ?? "", file, status: undefined });
  }
  return uses;
}

function readUses(): Use[] {
  const left = /\/(node_modules|dist|gen|testdata)\/|\.test\.ts$/;
  return globSync(parts, { cwd: root, exclude: (path) => /(^|\/)(node_modules|dist|gen)$/.test(path) })
    .filter((file) => !left.test(file))
    .flatMap((file) => usesIn(file, readFileSync(join(root, file), "utf8")));
}

const page = readFileSync(join(root, "docs/errors.md"), "utf8");
const rows = [...page.matchAll(/^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)].map(
  ([, reason = "", statuses = "", meaning = "", remedy = ""]) => ({
    reason,
    statuses: statuses.split(", "),
    meaning,
    remedy,
  }),
);
const listed = new Map(rows.map(({ reason, statuses }) => [reason, statuses]));
const uses = readUses();

test("every row of a table is read, and lists another reason", () => {
  expect(rows.length).toBe(page.split("\n").filter((line) => line.startsWith("| `")).length);
  expect(rows.map(({ reason }) => reason).filter((reason, at, all) => all.indexOf(reason) !== at)).toEqual(
    [],
  );
  for (const { reason, statuses, meaning, remedy } of rows) {
    for (const status of statuses) expect(Object.keys(statusCodes), reason).toContain(status);
    expect(`${meaning} ${remedy}`, reason).toMatch(/^\S.*\. \S.*\.$/);
  }
});

test("every reason that the code uses is listed", () => {
  const missing = uses.filter(({ reason }) => !listed.has(reason));
  expect(missing.map(({ reason, file }) => `${reason} of ${file}`)).toEqual([]);
});

test("every reason that is listed is used", () => {
  const used = new Set(uses.map(({ reason }) => reason));
  expect([...listed.keys()].filter((reason) => !used.has(reason))).toEqual([]);
});

test("a reason has the statuses that are listed", () => {
  const wrong = uses.filter(
    ({ reason, status }) => status !== undefined && listed.get(reason)?.includes(status) === false,
  );
  expect(wrong.map(({ reason, status, file }) => `${reason} is ${status} in ${file}`)).toEqual([]);
});

test("reasons are found in any spelling that the code has", () => {
  const source = `throw new RouseError("ABORTED", "…", {
    reason: "PLAIN_ONE" });
  function invalid(reason: string, message: string) { return new RouseError("INVALID_ARGUMENT", message, { reason }); }
  throw invalid(
    "PASSED_ON", "…");`;
  expect(usesIn("a.ts", source)).toEqual([
    { reason: "PLAIN_ONE", file: "a.ts", status: "ABORTED" },
    { reason: "PASSED_ON", file: "a.ts", status: undefined },
  ]);
});
