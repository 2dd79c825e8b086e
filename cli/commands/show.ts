import type { Command } from "commander";
import { CatalogClient, type ServiceState } from "#proto/rouse/catalog/v1/catalog.ts";
import { callError, unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";

interface ShowFlags {
  version: string;
  json?: true;
  registry?: string;
}

/** `rouse show`: all that a person wants to know of a service before they call it. */
export function addShow(program: Command): void {
  program
    .command("show")
    .description("show a service: description, versions, tags, state and methods")
    .argument("<service>", "its full name")
    .option("--version <spec>", "exact version, line, range or tag; default: the one that calls get", "")
    .option("--json", "print JSON")
    .option("--registry <host:port>", "the registry, when it is not that of the mesh on this host")
    .action(async (name: string, flags: ShowFlags) => {
      const shown = await withClient(CatalogClient, flags.registry ?? readMesh().registry, async (client) => {
        const details = await unary(client, "getService", { name });
        // A service of prereleases only has no default: its newest is shown.
        const summary = details.summary;
        const spec = flags.version || summary?.defaultVersion || (details.versions[0]?.version ?? "");
        const contract = await unary(client, "getContract", { service: name, spec });
        return { details, contract, live: await liveState(client, name) };
      });
      if (flags.json === true) {
        const { descriptorSet: _, ...contract } = shown.contract;
        console.log(JSON.stringify({ ...shown, contract }, null, 2));
        return;
      }
      const { showLines } = await import("../catalog/show-lines.ts");
      for (const line of showLines(shown)) console.log(line);
    });
}

/** How a service is now: the first answer of the stream that tells changes. */
async function liveState(client: CatalogClient, service: string): Promise<ServiceState | undefined> {
  const stream = client.watchState({ service });
  try {
    for await (const { services } of stream) return services[0];
    return undefined;
  } catch (error) {
    throw callError(error);
  } finally {
    stream.on("error", () => undefined).cancel();
  }
}
