import { relative, resolve } from "node:path";
import type { Command } from "commander";
import { generate } from "../../codegen/generate.ts";

interface GenFlags {
  dir: string;
  out: string;
  check?: true;
}

/** `rouse gen`: generates code, docs and manifest from the contract of a package. */
export function addGen(program: Command): void {
  program
    .command("gen")
    .description("generate messages, server, clients, docs and manifest from proto/")
    .option("--dir <folder>", "the package, with its contract in proto/", ".")
    .option("--out <folder>", "where the code goes, from the package", "gen")
    .option("--check", "write nothing; fail when the output is stale")
    .action(async (flags: GenFlags) => {
      const { written, changed, removed, services } = await generate({
        packageDir: flags.dir,
        out: flags.out,
        check: flags.check === true,
      });
      const folder = relative(".", resolve(flags.dir, flags.out)) || ".";
      if (flags.check === true) console.log(`${folder} is up to date: ${written.length} files.`);
      else
        console.log(
          `Generated ${written.length} files in ${folder}: ${changed.length} changed, ${removed.length} removed.`,
        );
      for (const name of services.plain)
        console.log(`${name} has no option (rouse.mesh.v1.service): it can be called, not registered.`);
    });
}
