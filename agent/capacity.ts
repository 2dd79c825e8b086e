import { availableParallelism, totalmem } from "node:os";
import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { RouseError } from "../sdk/errors.ts";
import { cores, mebibytes } from "./words.ts";

/** Cores, bytes and GPUs. */
export interface Resources {
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly gpu: number;
}

/** What of the host is given away by declaration, and what is left. */
export class Capacity {
  readonly host: string;
  readonly total: Resources;
  readonly #taken = new Map<string, Resources>();

  constructor(host: string, total: { readonly [Name in keyof Resources]: Resources[Name] | undefined }) {
    this.host = host;
    this.total = {
      cpu: total.cpu ?? availableParallelism(),
      memoryBytes: total.memoryBytes ?? machineMemory(),
      gpu: total.gpu ?? 0,
    };
  }

  get used(): Resources {
    const used = { cpu: 0, memoryBytes: 0, gpu: 0 };
    for (const one of this.#taken.values()) {
      used.cpu += one.cpu;
      used.memoryBytes += one.memoryBytes;
      used.gpu += one.gpu;
    }
    return used;
  }

  get left(): Resources {
    const { total, used } = this;
    return {
      cpu: total.cpu - used.cpu,
      memoryBytes: total.memoryBytes - used.memoryBytes,
      gpu: total.gpu - used.gpu,
    };
  }

  /**
   * Reserves what a spec declares until {@link release}.
   *
   * @throws RouseError RESOURCE_EXHAUSTED HOST_TOO_SMALL when it could never fit here, HOST_FULL when it does not now.
   */
  reserve(id: string, spec: InstanceSpec): void {
    const need = needOf(spec);
    const what = `${spec.service} ${spec.version} needs ${words(need)}`;
    if (!fits(need, this.total))
      throw new RouseError(
        "RESOURCE_EXHAUSTED",
        `${what}, but host "${this.host}" has only ${words(this.total)} in all. Lower the resources in the contract or add a bigger host.`,
        { reason: "HOST_TOO_SMALL", metadata: { host: this.host } },
      );
    const { left } = this;
    if (!fits(need, left))
      throw new RouseError(
        "RESOURCE_EXHAUSTED",
        `${what}, but host "${this.host}" has only ${words(left)} left of ${words(this.total)}. Stop something or add a host.`,
        { reason: "HOST_FULL", metadata: { host: this.host } },
      );
    this.#taken.set(id, need);
  }

  /** Counts an instance that runs already, whether it fits or not. */
  take(id: string, spec: InstanceSpec): void {
    this.#taken.set(id, needOf(spec));
  }

  release(id: string): void {
    this.#taken.delete(id);
  }

  /** Whether something is reserved for it. */
  holds(id: string): boolean {
    return this.#taken.has(id);
  }
}

export function fits(need: Resources, room: Resources): boolean {
  // Sums of tenths of cores are not exact.
  return need.cpu <= room.cpu + 1e-9 && need.memoryBytes <= room.memoryBytes && need.gpu <= room.gpu;
}

/** What an instance of a spec holds. */
export function needOf({ cpu, memoryBytes, gpu }: InstanceSpec): Resources {
  return { cpu, memoryBytes, gpu };
}

function words(resources: Resources): string {
  const parts = [cores(resources.cpu), `${mebibytes(resources.memoryBytes)} of memory`];
  if (resources.gpu > 0) parts.push(`${resources.gpu} GPU`);
  return parts.join(" and ");
}

/** The machine's memory, or what the agent's own cgroup leaves of it; bytes. */
function machineMemory(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
