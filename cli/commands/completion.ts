import { Argument, type Command } from "commander";
import { type Shell, scripts, shells } from "../completion/scripts.ts";

/** `rouse completion`: prints what makes a shell complete verbs, flags, services, methods, versions and fields. */
export function addCompletion(program: Command): void {
  program
    .command("completion")
    .description("print a script that makes your shell complete: source <(rouse completion bash)")
    .addArgument(new Argument("<shell>", "the shell to complete for").choices(shells))
    .action((shell: Shell) => {
      process.stdout.write(scripts[shell]);
    });
}
