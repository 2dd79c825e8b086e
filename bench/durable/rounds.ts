import { median, quantile, round } from "../table.ts";

/** One way to do something, once. */
export type Way = () => Promise<unknown>;

/** What was measured of one way. */
export interface Measured {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** By many callers, median of all rounds. */
  readonly perSecond: number;
}

const ROUNDS = 6;
const ALONE = 40;
const CALLERS = 50;
const TOGETHER = 250;

/** How {@link measure} measures, for people. */
export const HOW = `${ROUNDS} rounds in turn, each of ${ALONE} one after the other (p50, p99) and ${TOGETHER} by ${CALLERS} callers (per second)`;

/** Measures ways against each other: round by round each in turn, so that what else the machine does meets all of them. */
export async function measure<Name extends string>(
  ways: Readonly<Record<Name, Way>>,
): Promise<Record<Name, Measured>> {
  const names = Object.keys(ways) as Name[];
  const times = new Map(names.map((name) => [name, [] as number[]]));
  const rates = new Map(names.map((name) => [name, [] as number[]]));
  for (let number = -1; number < ROUNDS; number++) {
    for (const name of number % 2 === 0 ? names : names.toReversed()) {
      const alone = await oneByOne(ways[name]);
      const rate = await together(ways[name]);
      // The first round warms everything up.
      if (number < 0) continue;
      times.get(name)?.push(...alone);
      rates.get(name)?.push(rate);
    }
  }
  const found = names.map((name) => {
    const own = times.get(name) ?? [];
    const measured: Measured = {
      p50Ms: median(own),
      p99Ms: quantile(own, 0.99),
      perSecond: median(rates.get(name) ?? []),
    };
    return [name, measured] as const;
  });
  return Object.fromEntries(found) as Record<Name, Measured>;
}

/** As a row of a table. */
export function row(path: string, { p50Ms, p99Ms, perSecond }: Measured) {
  return { path, "p50 ms": round(p50Ms), "p99 ms": round(p99Ms), "per second": Math.round(perSecond) };
}

async function oneByOne(way: Way): Promise<number[]> {
  const times: number[] = [];
  for (let number = 0; number < ALONE; number++) {
    const beganMs = performance.now();
    await way();
    times.push(performance.now() - beganMs);
  }
  return times;
}

async function together(way: Way): Promise<number> {
  const beganMs = performance.now();
  let left = TOGETHER;
  const caller = async () => {
    while (left-- > 0) await way();
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return TOGETHER / ((performance.now() - beganMs) / 1_000);
}
