import { setTimeout as sleep } from "node:timers/promises";
import { ConsulClient } from "../../registry/consul.ts";
import { findParts, type MeshParts, type Part } from "../../registry/parts.ts";
import { RouseError } from "../../sdk/errors.ts";

/** How long the other hosts may take to have a registry and a control plane, ms. */
const PATIENCE_MS = 60_000;
/** How long what is known but silent may take to answer, as while all hosts start; then this host goes on without it, ms. */
const AWAY_MS = 10_000;
const PAUSE_MS = 200;

const TOLD: Record<Part, (address: string) => string> = {
  registry: (address) =>
    `The registry at ${address} does not answer: until it does, nothing can be registered and the site is away. Versions start all the same.`,
  orders: (address) =>
    `Orders at ${address} do not answer: until they do, there are no async calls, durable runs, tasks and orders.`,
};

export interface JoiningHost {
  /** It runs a control plane of its own, and needs no other's. */
  readonly hasControl: boolean;
  /** Is told what is away, in one line. */
  readonly say?: (line: string) => void;
  readonly patienceMs?: number;
  readonly awayMs?: number;
}

/**
 * Where the mesh that was joined has its registry, orders and control planes. Those that are away now, as when the first host is dead,
 * are where they were last: agents and control planes get to them when they are back.
 *
 * @throws RouseError UNAVAILABLE MESH_INCOMPLETE when there never was one, or no control plane for a host that has none.
 */
export async function joinedParts(
  address: string,
  stopping: AbortSignal,
  { hasControl, say, patienceMs = PATIENCE_MS, awayMs = AWAY_MS }: JoiningHost,
): Promise<MeshParts> {
  const consul = new ConsulClient({ address });
  const began = performance.now();
  try {
    while (performance.now() - began < patienceMs) {
      const parts = await findParts(consul).catch(() => undefined);
      if (parts !== undefined) {
        const { away, control } = parts;
        if (away.length === 0 && control.length > 0) return parts;
        const mayDo = control.length > 0 || hasControl;
        if (mayDo && performance.now() - began >= awayMs) {
          for (const part of away) say?.(TOLD[part](parts[part]));
          return parts;
        }
      }
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
