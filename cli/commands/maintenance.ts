import type { Command } from "commander";
import { addDrainFlags, type DrainFlags } from "../drain-flags.ts";

/** `rouse maintenance`: as drain, and the host is marked as being worked on. */
export function addMaintenance(program: Command): void {
  addDrainFlags(
    program
      .command("maintenance")
      .description(
        "the same as drain, for a host that is then left alone: people see that it is in maintenance",
      ),
  ).action(async (host: string, { reason, deadline, detach }: DrainFlags) => {
    const { emptyHost, setMode } = await import("../host-modes.ts");
    if (detach !== true) return emptyHost(host, "maintenance", reason, deadline, (line) => console.log(line));
    await setMode(host, "maintenance", reason, deadline);
    console.log(`${host} gives up its instances; "rouse hosts" shows how far it is.`);
  });
}
