import type { Activation, InstanceState, VersionState } from "../registry/state.ts";
import { versionKey } from "../registry/target.ts";

/** A write that Consul's watch does not show within this time is forgotten and planned anew, ms. */
const FORGET_AFTER_MS = 5_000;

/**
 * What this orchestrator did and Consul's watch does not show yet.
 *
 * Without it, a plan made in those milliseconds would do the same thing twice.
 */
export class Overlay {
  readonly #activations = new Map<string, { readonly activation: Activation; readonly atMs: number }>();
  /** Instances that were told to retire, and when. */
  readonly #retiring = new Map<string, number>();
  /** Instances that were put on standby, or taken out of it (undefined). */
  readonly #standbys = new Map<
    string,
    { readonly standby: InstanceState["standby"]; readonly generation: number; readonly atMs: number }
  >();
  readonly #generations = new Map<string, { readonly generation: number; readonly atMs: number }>();

  setActivation(service: string, version: string, activation: Activation, nowMs: number): void {
    this.#activations.set(versionKey({ service, version }), { activation, atMs: nowMs });
  }

  /** The instance takes no new calls any more. */
  setRetiring(instanceId: string, nowMs: number): void {
    this.#retiring.set(instanceId, nowMs);
  }

  /** It was put on standby for that generation, or resumed in it (undefined). */
  setStandby(instanceId: string, generation: number, standby: InstanceState["standby"], nowMs: number): void {
    this.#retiring.delete(instanceId);
    this.#generations.delete(instanceId);
    this.#standbys.set(instanceId, { standby, generation, atMs: nowMs });
  }

  setGeneration(instanceId: string, generation: number, nowMs: number): void {
    this.#generations.set(instanceId, { generation, atMs: nowMs });
  }

  /** The version as it is with the own writes applied. */
  apply(service: string, version: string, state: VersionState, nowMs: number): VersionState {
    const activation = this.#activation(versionKey({ service, version }), state.activation, nowMs);
    const instances = state.instances.map((instance) => this.#instance(instance, nowMs));
    return { ...state, activation, instances };
  }

  #activation(key: string, shown: Activation, nowMs: number): Activation {
    const own = this.#activations.get(key);
    if (own === undefined) return shown;
    const seen = shown.generation > own.activation.generation || sameActivation(shown, own.activation);
    if (seen || nowMs - own.atMs > FORGET_AFTER_MS) {
      this.#activations.delete(key);
      return shown;
    }
    return own.activation;
  }

  #instance(shown: InstanceState, nowMs: number): InstanceState {
    return this.#retired(this.#moved(this.#frozen(shown, nowMs), nowMs), nowMs);
  }

  #frozen(shown: InstanceState, nowMs: number): InstanceState {
    const own = this.#standbys.get(shown.id);
    if (own === undefined) return shown;
    const { standby: _shown, retiring: _retiring, ...rest } = shown;
    const seen =
      shown.generation >= own.generation && (shown.standby === undefined) === (own.standby === undefined);
    if (seen || nowMs - own.atMs > FORGET_AFTER_MS) {
      this.#standbys.delete(shown.id);
      return shown;
    }
    const { standby, generation } = own;
    return { ...rest, generation, draining: false, ...(standby !== undefined && { standby }) };
  }

  #retired(shown: InstanceState, nowMs: number): InstanceState {
    const atMs = this.#retiring.get(shown.id);
    if (atMs === undefined) return shown;
    if (shown.retiring === true || nowMs - atMs > FORGET_AFTER_MS) {
      this.#retiring.delete(shown.id);
      return shown;
    }
    return { ...shown, draining: true, retiring: true };
  }

  #moved(shown: InstanceState, nowMs: number): InstanceState {
    const own = this.#generations.get(shown.id);
    if (own === undefined) return shown;
    if (shown.generation >= own.generation || nowMs - own.atMs > FORGET_AFTER_MS) {
      this.#generations.delete(shown.id);
      return shown;
    }
    return { ...shown, generation: own.generation };
  }
}

function sameActivation(a: Activation, b: Activation): boolean {
  return (
    a.generation === b.generation &&
    (a.served ?? false) === (b.served ?? false) &&
    (a.failures ?? 0) === (b.failures ?? 0) &&
    a.stopped?.atMs === b.stopped?.atMs &&
    a.failure?.retryAtMs === b.failure?.retryAtMs
  );
}
