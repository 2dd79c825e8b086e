import { whatWouldHelp } from "./changes.ts";
import { fits, type Misfit, misfits, type Occupancy, occupancy } from "./filter.ts";
import type { PlaceableHost } from "./host.ts";
import type { Needs } from "./needs.ts";
import { compare, type Term, termsOf, total } from "./score.ts";
import { whyChosen } from "./why.ts";

export type Placement =
  | {
      readonly host: string;
      /** In one line, to be kept with the instance. */
      readonly why?: string;
      readonly reason?: never;
    }
  | {
      readonly host?: never;
      /** Put into words when it is read, for that takes a look at all hosts: to be read before they change. */
      readonly reason: string;
      /** There is no host at all, as when the agents restart: it is worth waiting. */
      readonly empty?: true;
    };

/** What speaks for and against one host. */
export type Verdict = {
  readonly host: PlaceableHost;
} & (
  | { readonly fits: true; readonly score: number; readonly terms: readonly Term[] }
  | { readonly fits: false; readonly misfits: readonly Misfit[] }
);

/** Hosts that a message names, at most. */
const SHOWN = 5;

/**
 * Chooses a host for one more instance: of those that pass the filter the one with the highest score, ties by name. The same
 * request and hosts give the same choice, in whatever order the hosts come.
 */
export function place(
  needs: Needs,
  hosts: readonly PlaceableHost[],
  taken: Occupancy = occupancy(needs, hosts),
): Placement {
  const fitting = hosts.filter((host) => fits(needs, host, taken));
  if (fitting.length === 0) return nowhere(needs, hosts);
  const compared = compare(needs, fitting, taken.instances);
  let best: { readonly name: string; readonly score: number; readonly terms: readonly Term[] } | undefined;
  for (const host of fitting) {
    const terms = termsOf(needs, host, compared);
    const score = total(terms);
    const wins = best === undefined || score > best.score || (score === best.score && host.name < best.name);
    if (wins) best = { name: host.name, score, terms };
  }
  if (best === undefined) return nowhere(needs, hosts);
  return { host: best.name, why: whyChosen(best.terms, best.score, fitting.length, hosts.length) };
}

/** Judges every host: those that fit by score, the best first, then the others by name. */
export function judge(
  needs: Needs,
  hosts: readonly PlaceableHost[],
  taken: Occupancy = occupancy(needs, hosts),
): Verdict[] {
  const fitting = hosts.filter((host) => fits(needs, host, taken));
  const compared = compare(needs, fitting, taken.instances);
  const good = fitting
    .map((host) => {
      const terms = termsOf(needs, host, compared);
      return { host, fits: true as const, score: total(terms), terms };
    })
    .sort((a, b) => b.score - a.score || byName(a, b));
  const chosen = new Set(fitting);
  const bad = hosts
    .filter((host) => !chosen.has(host))
    .map((host) => ({ host, fits: false as const, misfits: misfits(needs, host, taken) }))
    .sort(byName);
  return [...good, ...bad];
}

/** Says why no host fits, and what would have to change. */
export function nowhere(needs: Needs, hosts: readonly PlaceableHost[]): Placement {
  if (hosts.every(({ mode }) => mode === "away")) {
    const silent = hosts.map(({ name }) => name).sort();
    const reason =
      silent.length === 0
        ? 'no host has announced itself; start an agent with "rouse agent" or "rouse up"'
        : `no host answers (${silent.slice(0, SHOWN).join(", ")}${silent.length > SHOWN ? ", …" : ""}); see to their agents, or start another by "rouse up --join"`;
    return { reason, empty: true };
  }
  return {
    get reason() {
      return whyNowhere(needs, hosts);
    },
  };
}

function whyNowhere(needs: Needs, hosts: readonly PlaceableHost[]): string {
  const taken = occupancy(needs, hosts);
  const all = [...hosts]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((host) => ({ host, misfits: misfits(needs, host, taken) }));
  const shown = all
    .slice(0, SHOWN)
    .map(({ host, misfits: [first] }) => `${host.name} ${first?.why}`)
    .join("; ");
  const more = all.length > SHOWN ? `; and ${all.length - SHOWN} more` : "";
  const changes = whatWouldHelp(needs, hosts);
  return `no host fits: ${shown}${more}. What would help: ${changes.join(", or ")}`;
}

function byName(a: { readonly host: PlaceableHost }, b: { readonly host: PlaceableHost }): number {
  return a.host.name < b.host.name ? -1 : 1;
}
