import type { Command } from "commander";

/** `rouse __complete`: what the scripts of `rouse completion` ask. Prints nothing rather than an error. */
export function addComplete(program: Command): void {
  program
    .command("__complete", { hidden: true })
    .argument("<shell>")
    .argument("<index>", "of the word at the cursor")
    .argument("[words...]", "the command line, the program first")
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (shell: string, index: string, words: string[]) => {
      const { printCandidates } = await import("../completion/print.ts");
      await printCandidates(shell, Number(index), words);
    });
}
