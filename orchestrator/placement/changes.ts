import { fits, misfits, type Occupancy, occupancy } from "./filter.ts";
import type { PlaceableHost } from "./host.ts";
import type { Asked, Mend } from "./mend.ts";
import type { Needs } from "./needs.ts";
import { newHost } from "./new-host.ts";

/** Ways out that are told, at most. */
const TOLD = 3;
/** So many hosts are looked at closely, those with the least effort first. */
const LOOKED_AT = 50;
/** What asks for so much more than the least is not told. Nobody buys a machine where a command does. */
const NEAR = 20;

interface Way {
  readonly effort: number;
  /** All that must be done to the host. */
  readonly mends: readonly Mend[];
  readonly host: PlaceableHost;
}

/**
 * The smallest changes any one of which would make room: for each host all that keeps the instance from it, or a new host, the least
 * effort first, and without those that ask for much more than the first. Each was tried: once all of it is done the instance fits.
 *
 * @returns clauses such as "free 0.5 cores and 128 MiB on b"; empty when there is no host.
 */
export function whatWouldHelp(needs: Needs, hosts: readonly PlaceableHost[]): string[] {
  if (hosts.length === 0) return [];
  const taken = occupancy(needs, hosts);
  const ways = hosts
    .flatMap((host) => wayOn(needs, host, taken))
    .sort((a, b) => a.effort - b.effort || (a.host.name < b.host.name ? -1 : 1));
  const told: string[] = [];
  let least: number | undefined;
  for (const { effort, mends, host } of ways.slice(0, LOOKED_AT)) {
    if (told.length === TOLD || effort >= (least ?? effort) + NEAR) break;
    const enough = smallest(mends, needs, host, hosts);
    if (enough.length === 0) continue;
    least ??= effort;
    told.push([...new Set(enough.map(({ text }) => text))].join(" and "));
  }
  if (told.length === 0) {
    const added = newHost(needs, hosts, taken);
    const helps = added !== undefined && fitsAfter(needs, added.host, [...hosts, added.host]);
    told.push(helps ? added.text : "loosen the contract: no host can be all that it asks for");
  }
  return [...new Set(told)];
}

/** All that must be done to one host; nothing where that does not do. */
function wayOn(needs: Needs, host: PlaceableHost, taken: Occupancy): Way[] {
  const mends = misfits(needs, host, taken).map(({ mend }) => mend);
  const possible = mends.filter((mend) => mend !== undefined);
  if (possible.length === 0 || possible.length < mends.length) return [];
  return [{ effort: possible.reduce((sum, { effort }) => sum + effort, 0), mends: possible, host }];
}

/**
 * Those of the changes to one host that are enough; none where all of them are not. What mends one thing may spoil another: a label that
 * one rule asks for may be what another avoids. Or it may mend that as well.
 */
function smallest(
  all: readonly Mend[],
  needs: Needs,
  host: PlaceableHost,
  hosts: readonly PlaceableHost[],
): readonly Mend[] {
  const help = (mends: readonly Mend[]) => {
    const after = mends.reduce<Asked>((asked, { done }) => done(asked), { needs, host });
    const others = hosts.filter((one) => one !== host);
    return fitsAfter(after.needs, after.host, [...others, after.host]);
  };
  if (!help(all)) return [];
  let enough = all;
  for (const mend of all) {
    const rest = enough.filter((one) => one !== mend);
    if (rest.length > 0 && help(rest)) enough = rest;
  }
  return enough;
}

function fitsAfter(needs: Needs, host: PlaceableHost, hosts: readonly PlaceableHost[]): boolean {
  return fits(needs, host, occupancy(needs, hosts));
}
