import type { HostFacts } from "../../orchestrator/placement/host.ts";
import type { Needs } from "../../orchestrator/placement/needs.ts";

interface Host {
  readonly facts: HostFacts;
  cpu: number;
  memory: number;
  gpu: number;
}

/**
 * What one writes first: a loop over all hosts, those without room or labels left out, and Nomad's bin packing for the rest. Knows no
 * rules, no other instances, no costs.
 */
export class BestFit {
  readonly #hosts: readonly Host[];

  constructor(hosts: readonly HostFacts[]) {
    this.#hosts = hosts.map((facts) => ({ facts, cpu: 0, memory: 0, gpu: 0 }));
  }

  /** Chooses a host and takes its room. */
  put(needs: Needs): string | undefined {
    let best: Host | undefined;
    let highest = Number.NEGATIVE_INFINITY;
    const labels = Object.entries(needs.labels);
    for (const host of this.#hosts) {
      const { facts } = host;
      const [cpu, memory] = [host.cpu + needs.cpu, host.memory + needs.memory];
      if (cpu > facts.cpu || memory > facts.memory || host.gpu + needs.gpu > facts.gpu) continue;
      if (!labels.every(([name, value]) => facts.labels[name] === value)) continue;
      const score = 20 - (10 ** (1 - cpu / facts.cpu) + 10 ** (1 - memory / facts.memory));
      if (score > highest) {
        highest = score;
        best = host;
      }
    }
    if (best === undefined) return undefined;
    best.cpu += needs.cpu;
    best.memory += needs.memory;
    best.gpu += needs.gpu;
    return best.facts.name;
  }
}
