import type { PlaceableHost } from "../../../orchestrator/placement/host.ts";
import { nowhere, place } from "../../../orchestrator/placement/place.ts";
import type { Candidate } from "../queue/queue.ts";

/** Told of so many tasks at one time: of those that come next. */
const MOST_TOLD = 50;

/**
 * Why the tasks that come next have not begun, in words.
 *
 * @param candidates All that waited.
 * @param begun Keys of those that have begun now.
 */
export function whyWaiting(
  candidates: readonly Candidate[],
  begun: ReadonlySet<string>,
  hosts: readonly PlaceableHost[],
): Map<string, string> {
  const words = new Map<string, string>();
  const known = new Map<string, string>();
  const left = candidates
    .filter(({ key }) => !begun.has(key))
    .sort((a, b) => b.priority - a.priority || a.sequence - b.sequence)
    .slice(0, MOST_TOLD);
  for (const { key, room } of left) {
    if (room === "call") {
      words.set(key, "its turn: as many calls as there may be are under way");
      continue;
    }
    const kind = JSON.stringify(room);
    let why = known.get(kind);
    if (why === undefined) {
      // What others take changes all the time; what hosts are does not.
      const empty = hosts.map((host) => ({ ...host, used: { cpu: 0, memory: 0, gpu: 0 } }));
      const fits = empty.length > 0 && place(room, empty).host !== undefined;
      why = fits ? "its turn, and room on a host" : (nowhere(room, empty).reason ?? "a host");
      known.set(kind, why);
    }
    words.set(key, why);
  }
  return words;
}
