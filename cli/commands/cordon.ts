import type { Command } from "commander";

/** `rouse cordon`: a host keeps what it has and gets no more. */
export function addCordon(program: Command): void {
  program
    .command("cordon")
    .description("give a host no more instances; it keeps what it has")
    .argument("<host>", 'as "rouse hosts" names it')
    .option("--reason <words>", "shown to whoever wonders", "by hand")
    .action(async (host: string, { reason }: { reason: string }) => {
      const { setMode } = await import("../host-modes.ts");
      await setMode(host, "cordoned", reason);
      console.log(`${host} gets no more instances until "rouse uncordon ${host}".`);
    });
}
