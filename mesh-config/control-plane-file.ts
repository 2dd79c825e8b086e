import { renameSync, writeFileSync } from "node:fs";
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

/** Writes the file in which an Envoy looks up the control planes; it must be in a folder, and its name end in ".json". */
export function writeControlPlaneFile(file: string, controlPlanes: readonly string[]): void {
  const type = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
  const resources = [{ "@type": type, ...controlPlaneAssignment(controlPlanes) }];
  // Envoy sees a file that takes the place of another, and reads no half of one.
  writeFileSync(`${file}.new`, `${JSON.stringify({ resources }, undefined, 1)}\n`);
  renameSync(`${file}.new`, file);
}
