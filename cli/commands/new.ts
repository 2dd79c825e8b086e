import { userInfo } from "node:os";
import { relative } from "node:path";
import type { Command } from "commander";
import { scaffold } from "../../codegen/scaffold/scaffold.ts";

interface NewFlags {
  dir?: string;
  owner: string;
  actor?: true;
}

/** `rouse new`: scaffolds a service package. */
export function addNew(program: Command): void {
  program
    .command("new")
    .description("scaffold a service: contract, handlers, test; or a durable function with its test")
    .argument("<name>", 'its name, such as "gene-finder"')
    .option("--dir <folder>", "the package's folder (default: the name)")
    .option("--owner <who>", "who answers for it", userInfo().username)
    .option("--actor", "a durable function, from which the contract is made")
    .action(async (name: string, flags: NewFlags) => {
      const made = await scaffold({
        name,
        owner: flags.owner,
        actor: flags.actor === true,
        ...(flags.dir === undefined ? {} : { dir: flags.dir }),
      });
      const folder = relative(".", made.dir) || ".";
      console.log(`${made.service} is in ${folder}:\n`);
      for (const file of made.files) console.log(`  ${file}`);
      console.log(`\nNext:\n\n  cd ${folder}\n  npm install\n  npm test\n  npm start`);
    });
}
