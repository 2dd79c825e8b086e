import { createHash } from "node:crypto";
import type { ControlPlane } from "../../registry/control-planes.ts";

/**
 * The addresses of the control planes in the order in which this host's Envoy tries them: those that are well, of this very
 * host, then the others in an order of the host's own, so that the hosts spread over them (rendezvous hashing: Thaler and
 * Ravishankar, "Using name-based mappings to increase hit rates", 1998).
 */
export function preferred(planes: readonly ControlPlane[], host: string): string[] {
  const ranked = planes.map((plane) => ({
    plane,
    keys: [plane.healthy ? 0 : 1, plane.host === host ? 0 : 1, score(host, plane.id)],
  }));
  ranked.sort((a, b) => {
    const differs = a.keys.findIndex((key, n) => key !== b.keys[n]);
    return (a.keys[differs] ?? 0) - (b.keys[differs] ?? 0);
  });
  return [...new Set(ranked.map(({ plane }) => plane.address))];
}

/** A number from 0 to 1 that two names have together. */
export function score(host: string, id: string): number {
  return createHash("sha256").update(`${host}\0${id}`).digest().readUInt32BE() / 2 ** 32;
}
