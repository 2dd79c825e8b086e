import type { Command } from "commander";

/** `rouse hosts`: the hosts of the mesh, with what they have and how they are. */
export function addHosts(program: Command): void {
  program
    .command("hosts")
    .description("list the hosts with capacity, use, zone, cost and mode")
    .option("--json", "print JSON")
    .option("--registry <host:port>", "the registry, when it is not that of the mesh on this host")
    .action(async (flags: { json?: true; registry?: string }) => {
      const [{ readHosts }, { hostLines }] = await Promise.all([
        import("../host-modes.ts"),
        import("../host-lines.ts"),
      ]);
      const hosts = await readHosts(flags.registry);
      if (flags.json === true) console.log(JSON.stringify(hosts, null, 2));
      else for (const line of hostLines(hosts)) console.log(line);
    });
}
