import type { Target } from "../registry/target.ts";
import { versionKey } from "../registry/target.ts";

/** An instance that starts, or serves and is not yet shown by Consul. */
export interface Start {
  readonly instanceId: string;
  readonly target: Target;
  readonly host: string;
  /** Why it was placed there, in one line; empty when that is not known. */
  readonly why: string;
  /** Set when it serves, ms since 1970. */
  servingSinceMs?: number;
  /** Set when it serves. */
  address?: string;
}

/** Consul shows a served instance within milliseconds; after this time it counts as lost, ms. */
const SHOWN_WITHIN_MS = 15_000;

/** The starts under way, by instance id: the one place that makes a start happen once. */
export class Starts {
  readonly #starts = new Map<string, Start>();

  add(start: Start): void {
    this.#starts.set(start.instanceId, start);
  }

  get(instanceId: string): Start | undefined {
    return this.#starts.get(instanceId);
  }

  remove(instanceId: string): void {
    this.#starts.delete(instanceId);
  }

  get size(): number {
    return this.#starts.size;
  }

  clear(): void {
    this.#starts.clear();
  }

  all(): Iterable<Start> {
    return this.#starts.values();
  }

  /** Starts of one version that Consul does not show; those that it shows by now are let go. */
  of(service: string, version: string, shown: ReadonlySet<string>, nowMs: number): Start[] {
    const key = versionKey({ service, version });
    const found: Start[] = [];
    for (const start of this.#starts.values()) {
      if (versionKey(start.target) !== key) continue;
      const { servingSinceMs } = start;
      const lost = servingSinceMs !== undefined && nowMs - servingSinceMs > SHOWN_WITHIN_MS;
      if (lost || (servingSinceMs !== undefined && shown.has(start.instanceId))) {
        this.#starts.delete(start.instanceId);
      } else {
        found.push(start);
      }
    }
    return found;
  }
}

/** A new instance id: the service's own name, the version, the generation and six random characters. */
export function newInstanceId(target: Target): string {
  const name = (target.service.split(".").at(-1) ?? target.service)
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1-$2")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-");
  const version = target.version.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const random = Math.random().toString(36).slice(2, 8).padEnd(6, "0");
  const head = `${name}-${version}-${target.generation}`.slice(0, 56).replace(/^-+|-+$/g, "");
  return `${head}-${random}`;
}
