import { createGenomeServiceClient, type GenomeServiceClient } from "@rouse-examples/genome/client";
import { RouseError } from "rouse/errors";

/** Clients of the genome service, one for each version that callers ask for. */
export interface GenomeClients {
  /** @param version a version, line, range or tag; empty: the release. */
  of(version: string): GenomeServiceClient;
  close(): void;
}

/** A caller that makes up versions shall not fill the memory. */
const mostVersions = 64;

/** @param target where the mesh is; default: what the mesh has told this instance (ROUSE_MESH). */
export function genomeClients(target?: string): GenomeClients {
  const clients = new Map<string, GenomeServiceClient>();
  return {
    of(version) {
      let client = clients.get(version);
      if (client === undefined) {
        if (!/^[\w.^~+-]{0,64}$/.test(version))
          throw new RouseError(
            "INVALID_ARGUMENT",
            `genome_version is ${JSON.stringify(version)}; write a version, a range or a tag, such as "1", "^2.0.0" or "beta".`,
            { reason: "GENOME_VERSION_INVALID" },
          );
        if (clients.size >= mostVersions) {
          for (const other of clients.values()) other.close();
          clients.clear();
        }
        client = createGenomeServiceClient({
          ...(version === "" ? {} : { version }),
          ...(target === undefined ? {} : { target }),
        });
        clients.set(version, client);
      }
      return client;
    },
    close() {
      for (const client of clients.values()) client.close();
      clients.clear();
    },
  };
}
