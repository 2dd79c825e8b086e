import { availableParallelism } from "node:os";

/** Cores that one start can make use of: compiling and collecting garbage go on beside the program. */
const usefulCpus = 2;

/**
 * Cores that an instance is lent until it serves: a boot at a tenth of a core would take ten times as long.
 *
 * @param declared cores.
 */
export function startCpus(declared: number): number {
  return Math.max(declared, Math.min(usefulCpus, availableParallelism()));
}
