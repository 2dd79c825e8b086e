import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { diskFull } from "./disk-full.ts";

test("a file that finds no room", () => {
  const thrown = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  expect(diskFull(thrown, "the bundle is not kept")).toMatchObject({
    status: "RESOURCE_EXHAUSTED",
    reason: "DISK_FULL",
    message:
      "A disk is full: the bundle is not kept (ENOSPC: no space left on device, write). Make room on it.",
  });
});

test("a database that finds no room", () => {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE t (x); PRAGMA max_page_count = 2;");
  let thrown: unknown;
  try {
    database.prepare("INSERT INTO t VALUES (?)").run("x".repeat(100_000));
  } catch (error) {
    thrown = error;
  }
  expect(diskFull(thrown, "nothing is counted")?.message).toMatch(
    /^A disk is full: nothing is counted \(.*full\)/,
  );
});

test("anything else", () => {
  expect(diskFull(Object.assign(new Error("EACCES"), { code: "EACCES" }), "")).toBeUndefined();
  expect(diskFull("ENOSPC", "")).toBeUndefined();
});
