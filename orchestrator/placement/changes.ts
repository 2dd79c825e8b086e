import type { Misfit } from "./filter.ts";

/** Ways out that are told, at most. */
const TOLD = 3;

/**
 * The smallest changes any one of which would make room: for each host all that keeps the instance from it, the hosts with
 * the least effort first, and without those that ask for much more than the first.
 *
 * @param misfits of each host.
 * @returns clauses such as "free 0.5 cores and 128 MiB on b"; empty when there is no host.
 */
export function smallestChanges(misfits: readonly (readonly Misfit[])[]): string[] {
  const ways = misfits
    .filter((found) => found.length > 0)
    .map((found) => ({
      effort: found.reduce((sum, { effort }) => sum + effort, 0),
      text: [...new Set(found.map(({ change }) => change))].join(" and "),
    }))
    .sort((a, b) => a.effort - b.effort || (a.text < b.text ? -1 : 1));
  const least = ways[0]?.effort ?? 0;
  // Nobody buys a machine where a command does.
  const near = ways.filter(({ effort }) => effort < least + 20);
  return [...new Set(near.map(({ text }) => text))].slice(0, TOLD);
}
