import { HealthProbe, type InstanceHealth } from "#proto/rouse/agent/v1/agent.ts";
import type { Health } from "../readiness/health.ts";
import type { Vitals } from "../readiness/notify.ts";

/** An instance that speaks each 5 s and has not for so long is silent, ms. */
const SILENT_MS = 12_000;
/** How often silence is looked for, ms. */
const SWEEP_MS = 2_000;
/** Changes of so long are told together, ms. */
const GATHER_MS = 200;
/** A smaller delay of an event loop is none, ms. */
const DELAY_MS = 64;

interface Known {
  health: InstanceHealth;
  /** When it last spoke, by performance.now(); undefined: it never did, or is not expected to. */
  heardMs: number | undefined;
}

type Listener = (changed: readonly InstanceHealth[]) => void;

const PROBES: Readonly<Record<Health, HealthProbe>> = {
  serving: HealthProbe.SERVING,
  "not-serving": HealthProbe.NOT_SERVING,
  unreachable: HealthProbe.UNREACHABLE,
};

/**
 * How the instances of this host do, by what they say and what their health streams say. Nothing here grows with the number of
 * instances but the memory: each event costs the same, and the sweep for silent ones stops at the first that spoke lately.
 */
export class InstanceVitals {
  /** Those who speak, in the order in which they last did. */
  readonly #speaking = new Map<string, Known>();
  readonly #known = new Map<string, Known>();
  /** Those who have announced that they will speak, and do not serve yet. */
  readonly #expected = new Set<string>();
  readonly #listeners = new Set<Listener>();
  readonly #changed = new Set<string>();
  #gathering: NodeJS.Timeout | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #sweptMs = performance.now();

  /** It will speak from now on: its silence means something though it never spoke. */
  expectWords(id: string): void {
    const known = this.#known.get(id);
    if (known === undefined) this.#expected.add(id);
    else this.#listen(id, known);
  }

  /** It serves, or its health changed. */
  probed(id: string, health: Health): void {
    const known = this.#of(id);
    const probe = PROBES[health];
    if (known.health.probe === probe) return;
    known.health = { ...known.health, probe };
    this.#change(id);
  }

  /** An instance spoke. One that does not serve here is not listened to. */
  heard(id: string, vitals: Vitals): void {
    const known = this.#known.get(id);
    if (known === undefined) return;
    this.#listen(id, known);
    const before = known.health;
    const loopDelayMs = vitals.loopDelayMs < DELAY_MS ? 0 : vitals.loopDelayMs;
    const { queue, inProgress } = vitals;
    known.health = { ...before, loopDelayMs, silentMs: 0, queue, inProgress };
    const told =
      magnitude(before.loopDelayMs) === magnitude(loopDelayMs) &&
      magnitude(before.queue) === magnitude(queue) &&
      before.silentMs === 0;
    if (!told) this.#change(id);
  }

  /** Its silence means nothing until it speaks again: it is frozen. */
  expectSilence(id: string): void {
    this.#speaking.delete(id);
  }

  /** It has ended. */
  forget(id: string): void {
    this.#speaking.delete(id);
    this.#expected.delete(id);
    const known = this.#known.get(id);
    if (known === undefined) return;
    known.health = { ...known.health, ended: true };
    this.#change(id);
    // Consul shows it no more in a moment, and whoever sees that asks why.
    this.#tell();
    this.#known.delete(id);
  }

  /** Tells all there is, then what changes. @returns what ends that. */
  watch(listener: Listener): () => void {
    listener([...this.#known.values()].map(({ health }) => health));
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    clearTimeout(this.#gathering);
    clearTimeout(this.#sweeper);
    this.#listeners.clear();
  }

  #of(id: string): Known {
    let known = this.#known.get(id);
    if (known === undefined) {
      const health = { instanceId: id, loopDelayMs: 0, silentMs: 0, queue: 0, inProgress: 0, ended: false };
      known = { health: { ...health, probe: HealthProbe.UNSPECIFIED }, heardMs: undefined };
      this.#known.set(id, known);
      if (this.#expected.delete(id)) this.#listen(id, known);
    }
    return known;
  }

  /** Its time begins anew. */
  #listen(id: string, known: Known): void {
    known.heardMs = performance.now();
    this.#speaking.delete(id);
    this.#speaking.set(id, known);
    this.#sweepLater();
  }

  #change(id: string): void {
    this.#changed.add(id);
    if (this.#listeners.size === 0) {
      this.#changed.clear();
      return;
    }
    this.#gathering ??= setTimeout(() => this.#tell(), GATHER_MS).unref();
  }

  #tell(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    const changed = [...this.#changed].flatMap((one) => this.#known.get(one)?.health ?? []);
    this.#changed.clear();
    for (const listener of this.#listeners) listener(changed);
  }

  #sweepLater(): void {
    this.#sweeper ??= setTimeout(() => {
      this.#sweeper = undefined;
      this.#sweep();
      if (this.#speaking.size > 0) this.#sweepLater();
    }, SWEEP_MS).unref();
  }

  #sweep(): void {
    const nowMs = performance.now();
    // Who was held up itself has heard nobody.
    const lateMs = Math.max(0, nowMs - this.#sweptMs - 2 * SWEEP_MS);
    this.#sweptMs = nowMs;
    for (const [id, known] of this.#speaking) {
      if (lateMs > 0 && known.heardMs !== undefined) known.heardMs += lateMs;
      const silentMs = nowMs - (known.heardMs ?? nowMs);
      if (silentMs < SILENT_MS) {
        if (lateMs === 0) return;
        continue;
      }
      if (magnitude(silentMs) === magnitude(known.health.silentMs)) continue;
      known.health = { ...known.health, silentMs };
      this.#change(id);
    }
  }
}

function magnitude(value: number): number {
  return value < 1 ? 0 : Math.floor(Math.log2(value)) + 1;
}
