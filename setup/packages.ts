import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { generate } from "../codegen/generate.ts";
import { step } from "./progress.ts";

const root = join(import.meta.dirname, "..");

/** Generates the code of the service packages in this repository, which types and tests need. */
export async function generatePackages(): Promise<void> {
  const folders = globSync("{examples,test/fixtures}/*/package.json", { cwd: root })
    .map((file) => join(root, file, ".."))
    .filter((folder) => existsSync(join(folder, "proto")) || declaresActor(folder));
  await step("Generating code of the examples", async () => {
    for (const packageDir of folders) await generate({ packageDir, out: "gen", check: false });
  });
}

/** Its contract is made of code. */
function declaresActor(folder: string): boolean {
  return /"actor":/.test(readFileSync(join(folder, "package.json"), "utf8"));
}
