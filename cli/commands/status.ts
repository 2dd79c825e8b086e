import type { Command } from "commander";
import { readMesh } from "../connect.ts";

/** `rouse status`: whether every part of the mesh is well. */
export function addStatus(program: Command): void {
  program
    .command("status")
    .description("show processes, hosts, Envoys and versions that are not cold")
    .option("--json", "print JSON")
    .action(async (flags: { json?: true }) => {
      const { meshStatus, statusLines } = await import("../status.ts");
      const status = await meshStatus(readMesh());
      if (flags.json === true) console.log(JSON.stringify(status, null, 2));
      else for (const line of statusLines(status)) console.log(line);
    });
}
