import type { Command } from "commander";
import { addDrainFlags, type DrainFlags } from "../drain-flags.ts";

/** `rouse drain`: a host's instances are replaced elsewhere, end their calls, and go. */
export function addDrain(program: Command): void {
  addDrainFlags(
    program
      .command("drain")
      .description("have a host give up its instances, one by one, and wait until it is empty"),
  ).action(async (host: string, { reason, deadline, detach }: DrainFlags) => {
    const { emptyHost, setMode } = await import("../host-modes.ts");
    if (detach !== true) return emptyHost(host, "draining", reason, deadline, (line) => console.log(line));
    await setMode(host, "draining", reason, deadline);
    console.log(`${host} gives up its instances; "rouse hosts" shows how far it is.`);
  });
}
