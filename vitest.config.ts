import { defineConfig } from "vitest/config";

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
  },
});
