import { resolve } from "node:path";
import type { Command } from "commander";
import { bundle } from "../../agent/build/bundle.ts";

/** `rouse build`: makes dist/bundle.tar of a service package. */
export function addBuild(program: Command): void {
  program
    .command("build")
    .description("bundle a service: dist/bundle.tar, ready to be registered")
    .argument("[folder]", "the service's folder, with package.json", ".")
    .option("--json", "print what was made as JSON")
    .action(async (folder: string, options: { json?: boolean }) => {
      const made = await bundle(resolve(folder));
      if (options.json) {
        console.log(JSON.stringify(made));
        return;
      }
      console.log(`bundle ${made.file} (${(made.size / 1024).toFixed(0)} KiB)`);
      console.log(`digest ${made.digest}`);
    });
}
