import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

if (Number(process.versions.node.split(".")[0]) < 24)
  throw new Error(
    `The tests run on Node 24, and this is ${process.version}: "npm test -- FILTER", or put node_modules/.bin first in PATH.`,
  );

// Real Envoys, Consuls and containers: one file at a time, and time enough for a slow machine.
export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "**/gen/**", "**/templates/**"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    teardownTimeout: 30_000,
    setupFiles: process.env.CI === undefined ? [] : ["./setup/property-seed.ts"],
    // Not the keys of whoever runs the tests: a port may once have been another registry's.
    env: { XDG_CONFIG_HOME: join(tmpdir(), `rouse-test-config-${process.pid}`), ROUSE_KEY: "" },
  },
});
