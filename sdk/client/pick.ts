/** An instance that can be called directly. */
export interface Candidate {
  readonly inProgress: number;
}

/**
 * Chooses by weight.
 *
 * @param random 0 (included) to 1.
 * @returns undefined when nothing has any weight.
 */
export function byWeight<T extends { readonly weight: number }>(
  shares: readonly T[],
  random: number,
): T | undefined {
  let left = random * shares.reduce((sum, { weight }) => sum + weight, 0);
  for (const share of shares) {
    left -= share.weight;
    if (left < 0) return share;
  }
  return undefined;
}

/**
 * The one with the fewest calls in progress; of equals the next one from `turn` on, so that callers without load go round.
 */
export function leastBusy<T extends Candidate>(candidates: readonly T[], turn: number): T | undefined {
  let best: T | undefined;
  for (let offset = 0; offset < candidates.length; offset++) {
    const candidate = candidates[(turn + offset) % candidates.length];
    if (candidate !== undefined && (best === undefined || candidate.inProgress < best.inProgress))
      best = candidate;
  }
  return best;
}
