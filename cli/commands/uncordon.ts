import type { Command } from "commander";

/** `rouse uncordon`: a host takes instances again, whatever mode it was in. */
export function addUncordon(program: Command): void {
  program
    .command("uncordon")
    .description("let a host take instances again: ends cordon, drain and maintenance")
    .argument("<host>", 'as "rouse hosts" names it')
    .action(async (host: string) => {
      const { setMode } = await import("../host-modes.ts");
      await setMode(host, "active", "");
      console.log(`${host} takes instances again.`);
    });
}
