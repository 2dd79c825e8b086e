import type { VersionManifest } from "../registry/state.ts";

/** What an instance needs; cores and bytes. */
export type Resources = VersionManifest["resources"];

/** A host as placement sees it: what it has, and what its instances were promised. */
export interface PlaceableHost {
  readonly name: string;
  readonly cpu: number;
  readonly memory: number;
  readonly gpu: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly used: { readonly cpu: number; readonly memory: number; readonly gpu: number };
}

export type Placement =
  | { readonly host: string; readonly reason?: never }
  | {
      readonly host?: never;
      readonly reason: string;
      /** There is no host at all, as when the agents restart: it is worth waiting. */
      readonly empty?: true;
    };

/**
 * Chooses a host with room, the fullest that still fits, ties by name.
 *
 * The score is Nomad's bin packing (nomad/structs/funcs.go, ScoreFitBinPack): 20 − (10^freeCpu + 10^freeMemory),
 * with the free shares as they would be after the placement.
 */
export function place(needs: Resources, hosts: readonly PlaceableHost[]): Placement {
  if (hosts.length === 0) {
    return {
      reason: 'no host has announced itself; start an agent with "rouse agent" or "rouse up"',
      empty: true,
    };
  }
  let best: { name: string; score: number } | undefined;
  const misfits: string[] = [];
  for (const host of hosts) {
    const misfit = whyNot(needs, host);
    if (misfit !== undefined) {
      misfits.push(`${host.name} ${misfit}`);
      continue;
    }
    const score = binPackingScore(needs, host);
    if (best === undefined || score > best.score || (score === best.score && host.name < best.name)) {
      best = { name: host.name, score };
    }
  }
  if (best !== undefined) return { host: best.name };
  const shown = misfits.slice(0, 5).join("; ");
  const more = misfits.length > 5 ? `; and ${misfits.length - 5} more` : "";
  return { reason: `no host fits: ${shown}${more}` };
}

function whyNot(needs: Resources, host: PlaceableHost): string | undefined {
  for (const [label, value] of Object.entries(needs.labels)) {
    if (host.labels[label] !== value) return `lacks the label ${label}=${value}`;
  }
  if (needs.gpu > host.gpu - host.used.gpu) {
    return `has ${host.gpu - host.used.gpu} of ${host.gpu} GPUs free, ${needs.gpu} needed`;
  }
  // Sums of decimal fractions differ in the last bits.
  if (needs.cpu > host.cpu - host.used.cpu + 1e-9) {
    return `has ${cores(host.cpu - host.used.cpu)} of ${cores(host.cpu)} cores free, ${cores(needs.cpu)} needed`;
  }
  if (needs.memory > host.memory - host.used.memory) {
    return `has ${mebibytes(host.memory - host.used.memory)} of ${mebibytes(host.memory)} MiB free, ${mebibytes(needs.memory)} MiB needed`;
  }
  return undefined;
}

function binPackingScore(needs: Resources, host: PlaceableHost): number {
  const freeCpu = 1 - (host.used.cpu + needs.cpu) / host.cpu;
  const freeMemory = 1 - (host.used.memory + needs.memory) / host.memory;
  return 20 - (10 ** freeCpu + 10 ** freeMemory);
}

function cores(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 2 ** 20);
}
