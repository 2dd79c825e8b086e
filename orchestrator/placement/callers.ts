import { versionKey } from "../../registry/target.ts";

type Version = { readonly service: string; readonly version: string };

/** After this time a call counts half, ms: what was near yesterday need not be so today. */
const HALF_LIFE_MS = 600_000;

interface Counted {
  readonly zones: Map<string, number>;
  /** Up to when they have faded, ms since 1970. */
  atMs: number;
}

/** From which zones versions are called, as the load reports of Envoys say; only this leader's memory. */
export class Callers {
  readonly #counted = new Map<string, Counted>();

  /** Notes calls that began; those of hosts without a zone tell nothing. */
  note(version: Version, zone: string, calls: number, nowMs: number): void {
    if (zone === "" || calls === 0) return;
    const key = versionKey(version);
    const counted = this.#counted.get(key) ?? { zones: new Map<string, number>(), atMs: nowMs };
    this.#counted.set(key, counted);
    fade(counted, nowMs);
    counted.zones.set(zone, (counted.zones.get(zone) ?? 0) + calls);
  }

  /** Share of the calls by zone, 0 to 1; empty: nothing is known. */
  shares(version: Version): ReadonlyMap<string, number> {
    const zones = this.#counted.get(versionKey(version))?.zones ?? new Map<string, number>();
    let sum = 0;
    for (const calls of zones.values()) sum += calls;
    return new Map([...zones].map(([zone, calls]) => [zone, calls / sum]));
  }
}

function fade(counted: Counted, nowMs: number): void {
  const share = 0.5 ** (Math.max(0, nowMs - counted.atMs) / HALF_LIFE_MS);
  counted.atMs = Math.max(nowMs, counted.atMs);
  for (const [zone, calls] of counted.zones) {
    // A few thousandths of a call are no caller.
    if (calls * share < 0.01) counted.zones.delete(zone);
    else counted.zones.set(zone, calls * share);
  }
}
