import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { JsonObject } from "./proto/json.ts";
import { envoyAddress } from "./resources/address.ts";
import { CONTROL_PLANE_CLUSTER } from "./resources/settings.ts";

/** Endpoints of the control planes for Envoy, "host:port" each: the first is preferred to the second, and so on. */
export function controlPlaneAssignment(controlPlanes: readonly string[]): JsonObject {
  return {
    cluster_name: CONTROL_PLANE_CLUSTER,
    endpoints: controlPlanes.map((address, priority) => ({
      priority,
      lb_endpoints: [{ endpoint: { address: envoyAddress(address) } }],
    })),
  };
}

/** File in a host's data folder by which its Envoy finds the control planes. */
export const controlPlaneFileOf = (dataDir: string) => join(dataDir, "run", "control-planes.json");

const fileSchema = z.object({
  resources: z.tuple([
    z.object({
      endpoints: z.array(
        z.object({
          lb_endpoints: z.tuple([
            z.object({
              endpoint: z.object({
                address: z.object({
                  socket_address: z.object({ address: z.string(), port_value: z.number() }),
                }),
              }),
            }),
          ]),
        }),
      ),
    }),
  ]),
});

/** The addresses that such a file names, the preferred one first. @throws when there is none that can be read. */
export function readControlPlaneFile(file: string): string[] {
  const { resources } = fileSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  return resources[0].endpoints.map(({ lb_endpoints: [{ endpoint }] }) => {
    const { address, port_value } = endpoint.address.socket_address;
    return `${address}:${port_value}`;
  });
}

/** Writes the file in which an Envoy looks up the control planes; it must be in a folder, and its name end in ".json". */
export function writeControlPlaneFile(file: string, controlPlanes: readonly string[]): void {
  const type = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
  const resources = [{ "@type": type, ...controlPlaneAssignment(controlPlanes) }];
  // Envoy sees a file that takes the place of another, and reads no half of one.
  writeFileSync(`${file}.new`, `${JSON.stringify({ resources }, undefined, 1)}\n`);
  renameSync(`${file}.new`, file);
}
