import { setTimeout as sleep } from "node:timers/promises";
import { ConsulClient } from "../../registry/consul.ts";
import { findParts, type MeshParts } from "../../registry/parts.ts";
import { RouseError } from "../../sdk/errors.ts";

/** How long the other hosts may take to have a registry and a control plane, ms. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 200;

/**
 * Where the mesh that was joined has its registry and control planes.
 *
 * @throws RouseError UNAVAILABLE MESH_INCOMPLETE when there is none.
 */
export async function joinedParts(
  address: string,
  stopping: AbortSignal,
  patienceMs = PATIENCE_MS,
): Promise<MeshParts> {
  const consul = new ConsulClient({ address });
  const deadline = performance.now() + patienceMs;
  try {
    while (performance.now() < deadline) {
      const parts = await findParts(consul).catch(() => undefined);
      if (parts !== undefined) return parts;
      await sleep(PAUSE_MS, undefined, { signal: stopping });
    }
  } finally {
    consul.close();
  }
  throw new RouseError(
    "UNAVAILABLE",
    `The mesh was joined, but no registry or no control plane is announced in it (waited ${patienceMs / 1_000} s): see "rouse status" on the host that was started first.`,
    { reason: "MESH_INCOMPLETE" },
  );
}
