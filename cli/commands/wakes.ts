import type { Command } from "commander";
import { MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { parseCount } from "../flags.ts";
import { wakeLines } from "../wake-lines.ts";

/** `rouse wakes`: where the time of the latest cold starts went. */
export function addWakes(program: Command): void {
  program
    .command("wakes")
    .description("show the latest wakes, newest first, with the time of each stage")
    .argument("[service]", "only this one")
    .option("--limit <count>", "at most so many", parseCount, 5)
    .option("--json", "print JSON")
    .action(async (service: string | undefined, flags: { limit: number; json?: true }) => {
      const { wakes } = await withClient(MeshConfigClient, readMesh().control, (client) =>
        unary(client, "listWakes", { service: service ?? "", limit: flags.limit }),
      );
      if (flags.json === true) console.log(JSON.stringify(wakes, null, 2));
      else if (wakes.length === 0) {
        if (service !== undefined) await refuseUnknown(service);
        console.log("Nothing has been woken since the control plane started.");
      } else console.log(wakes.map((wake) => wakeLines(wake).join("\n")).join("\n\n"));
    });
}

/** @throws RouseError NOT_FOUND SERVICE_UNKNOWN. Who is registered is not known while the registry is away. */
async function refuseUnknown(service: string): Promise<void> {
  try {
    await withClient(RegistryClient, readMesh().registry, (client) =>
      unary(client, "listServices", { service }),
    );
  } catch (error) {
    if (RouseError.from(error).reason === "SERVICE_UNKNOWN") throw error;
  }
}
