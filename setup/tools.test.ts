import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { cachedTool } from "./cache.ts";
import { findTool, lookForTool } from "./tools.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rouse-tools-"));
  vi.stubEnv("XDG_CACHE_HOME", join(folder, "cache"));
  vi.stubEnv("PATH", join(folder, "path"));
  vi.stubEnv("ENVOY_BIN", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A program that says its version as Envoy does. */
function program(file: string, version: string): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho "envoy  version: 9e558/${version}/Clean/RELEASE/BoringSSL"\n`);
  chmodSync(file, 0o755);
  return file;
}

test("a tool that is nowhere: says how to get it", () => {
  expect(() => findTool("envoy")).toThrow(
    'Envoy 1.40.0 is not installed: run "npm start" once, which installs it, or set ENVOY_BIN to the program.',
  );
  expect(lookForTool("envoy")).toBeUndefined();
});

test("the cached one is found last, a fitting one on PATH before it, the named one first", () => {
  const cached = program(cachedTool("envoy", "1.40.0"), "1.40.0");
  expect(findTool("envoy")).toBe(cached);
  const onPath = program(join(folder, "other", "envoy"), "1.40.3");
  vi.stubEnv("PATH", join(folder, "other"));
  expect(findTool("envoy")).toBe(onPath);
  const named = program(join(folder, "mine"), "1.40.1");
  vi.stubEnv("ENVOY_BIN", named);
  expect(findTool("envoy")).toBe(named);
});

test("a wrong version on PATH is passed over with a note", () => {
  const old = program(join(folder, "path", "envoy"), "1.22.0");
  const cached = program(cachedTool("envoy", "1.40.0"), "1.40.0");
  const notes: string[] = [];
  expect(findTool("envoy", (line) => notes.push(line))).toBe(cached);
  expect(notes).toEqual([`${old} is passed over: its version is 1.22.0, Rouse needs ~1.40.0`]);
});

test("a named tool that is wrong is an error, not passed over", () => {
  vi.stubEnv("ENVOY_BIN", program(join(folder, "old"), "1.22.0"));
  expect(() => findTool("envoy")).toThrow(
    `ENVOY_BIN names ${join(folder, "old")}, which is version 1.22.0; Rouse needs Envoy ~1.40.0`,
  );
  vi.stubEnv("ENVOY_BIN", join(folder, "nothing"));
  expect(() => findTool("envoy")).toThrow("which does not run or says no version");
});
