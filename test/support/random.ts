import { randomInt } from "node:crypto";

/** Choices of a test that can be made once more. */
export interface SeededRandom {
  readonly seed: number;
  /** A whole number from `least` to `most`, both included. */
  within(least: number, most: number): number;
  /** So many of them, each as often as the others, in a random order. */
  turns<T>(of: readonly T[], count: number): T[];
  /** Does the work; when it fails, the error says how the same choices are made again. */
  told<T>(work: () => Promise<T>): Promise<T>;
}

/**
 * Random moments and victims of faults. With CI=true they are the same each time, as in property tests; elsewhere they are new ones,
 * or those of ROUSE_FAULT_SEED. What the mesh is just doing at such a moment differs from time to time all the same.
 */
export function seededRandom(
  seed = Number(process.env.ROUSE_FAULT_SEED ?? (process.env.CI === undefined ? randomInt(2 ** 31) : 20_260)),
): SeededRandom {
  let state = seed;
  // mulberry32, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const within = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  const shuffled = <T>(of: readonly T[]): T[] => {
    const left = [...of];
    return of.flatMap(() => left.splice(within(0, left.length - 1), 1));
  };
  return {
    seed,
    within,
    turns(of, count) {
      const rounds = Array.from({ length: Math.ceil(count / Math.max(1, of.length)) }, () => shuffled(of));
      return rounds.flat().slice(0, count);
    },
    async told(work) {
      try {
        return await work();
      } catch (thrown) {
        if (thrown instanceof Error)
          thrown.message += `\nROUSE_FAULT_SEED=${seed} makes the same random choices again.`;
        throw thrown;
      }
    },
  };
}
