/** Cores, bytes and GPUs. */
interface Share {
  readonly cpu: number;
  readonly memory: number;
  readonly gpu: number;
}

/**
 * What one instance costs in an hour on a host: the host's cost by the share of it that is taken, where the share is that
 * of the scarcest resource (the dominant share of Ghodsi et al., Dominant Resource Fairness, NSDI 2011).
 */
export function hourlyCost(needs: Share, host: HostPrice): number {
  const price = host.costPerHour ?? 0;
  // A host without GPUs would make it an infinite share of nothing.
  if (price === 0) return 0;
  const share = Math.max(
    needs.cpu / host.cpu,
    needs.memory / host.memory,
    needs.gpu > 0 ? needs.gpu / host.gpu : 0,
  );
  return price * share;
}

interface HostPrice extends Share {
  readonly costPerHour?: number;
}
