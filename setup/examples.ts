import { join } from "node:path";
import { findExamples } from "../cli/up/examples.ts";
import { mustRun } from "./command.ts";
import { step } from "./progress.ts";

/** Generates the code of the example services, which the types of other examples and tests need. */
export async function generateExamples(): Promise<void> {
  const rouse = join(import.meta.dirname, "..", "cli", "bin", "rouse.mjs");
  await step("Generating code of the examples", async () => {
    for (const { dir } of findExamples())
      await mustRun(process.execPath, [rouse, "gen", "--dir", dir], "put its contract right");
  });
}
