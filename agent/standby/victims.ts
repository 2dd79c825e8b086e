import { fits, type Resources } from "../capacity.ts";

/** An instance on standby, and what it would give back. */
export interface Frozen {
  readonly id: string;
  readonly holds: Resources;
  /** When a call last used it, ms since 1970. */
  readonly lastUsedMs: number;
}

/**
 * Which instances on standby must go so that something else has room: those that were used longest ago, and none that
 * is not needed for it.
 *
 * @param need what shall have room.
 * @param left what nobody holds.
 * @returns ids, used longest ago first; empty when it fits as it is; undefined when all of them would not do.
 */
export function victims(
  need: Resources,
  left: Resources,
  standbys: readonly Frozen[],
): readonly string[] | undefined {
  const oldest = leastRecent(standbys);
  let room = left;
  const chosen: Frozen[] = [];
  for (const one of oldest) {
    if (fits(need, room)) break;
    room = add(room, one.holds, 1);
    chosen.push(one);
  }
  if (!fits(need, room)) return undefined;
  // A small one that made no difference stays.
  return chosen
    .filter(({ holds }) => {
      const without = add(room, holds, -1);
      if (!fits(need, without)) return true;
      room = without;
      return false;
    })
    .map(({ id }) => id);
}

/** Used longest ago first; ties by id, so that the same state gives the same choice. */
export function leastRecent<One extends Pick<Frozen, "id" | "lastUsedMs">>(all: readonly One[]): One[] {
  return [...all].sort((a, b) => a.lastUsedMs - b.lastUsedMs || (a.id < b.id ? -1 : 1));
}

function add(a: Resources, b: Resources, sign: 1 | -1): Resources {
  return {
    cpu: a.cpu + sign * b.cpu,
    memoryBytes: a.memoryBytes + sign * b.memoryBytes,
    gpu: a.gpu + sign * b.gpu,
  };
}
