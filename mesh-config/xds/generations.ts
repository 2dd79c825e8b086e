import type { Activation, MeshState, ServiceState, VersionState } from "../../registry/state.ts";
import { type Target, versionKey } from "../../registry/target.ts";

/**
 * Keeps generations from going back.
 *
 * An Envoy asks only once for a cluster of a name. Where Consul goes back in time, as when a snapshot of it is put back, a version
 * may be shown in a generation that Envoys have left behind: its calls would be held, and nobody would be told to wake it. Such a
 * version keeps the generation that it had, until the orchestrator has written a later one.
 */
export class Generations {
  /** By version, the generation below which none can be woken. */
  readonly #least = new Map<string, number>();
  /** By version, the highest generation whose cluster some Envoy asked for or was sent. */
  readonly #asked = new Map<string, number>();
  /** Services as they are shown in place of what Consul has of them. */
  readonly #held = new Map<string, ServiceState>();
  /** By version, the generation behind which it must go on. */
  readonly #behind = new Map<string, Target>();

  /**
   * Notes that an Envoy asks for a cluster, has it, or is sent it.
   *
   * @param current The version's generation; undefined: it is not registered.
   * @returns whether Consul knows less than the Envoy, which is news.
   */
  asked(target: Target, current: number | undefined): boolean {
    const key = versionKey(target);
    if ((this.#asked.get(key) ?? 0) >= target.generation) return false;
    this.#asked.set(key, target.generation);
    if (current === undefined || current >= target.generation) return false;
    this.#behind.set(key, target);
    return true;
  }

  /** Whether calls may be held for it: no Envoy asked for a later generation, but for one that asks just now. */
  latest(target: Target): boolean {
    return target.generation + 1 >= (this.#asked.get(versionKey(target)) ?? 0);
  }

  /** Notes that Envoys are told something else in the cluster's place: they do not ask for it again. */
  spent(target: Target): void {
    const key = versionKey(target);
    this.#least.set(key, Math.max(this.#least.get(key) ?? 0, target.generation + 1));
  }

  /** Versions that Consul has in too early a generation, each with one that it must go beyond. */
  behind(): Iterable<Target> {
    return this.#behind.values();
  }

  /**
   * Consul's state without steps back.
   *
   * @param before What was shown last.
   * @param changed Names of the services in which Consul's state differs from its last one.
   */
  hold(before: MeshState, state: MeshState, changed: Iterable<string>): MeshState {
    for (const service of changed) this.#holdService(service, before.services.get(service), state);
    if (this.#held.size === 0) return state;
    return { ...state, services: new Map([...state.services, ...this.#held]) };
  }

  #holdService(service: string, before: ServiceState | undefined, { services }: MeshState): void {
    const shown = services.get(service);
    this.#held.delete(service);
    for (const [version, { activation }] of before?.versions ?? []) {
      if (shown?.versions.has(version) !== true) this.#gone({ service, version }, activation.generation);
    }
    if (shown === undefined) return;
    const versions = new Map<string, VersionState>();
    let held = false;
    for (const [version, state] of shown.versions) {
      const target = { service, version };
      const activation = this.#activation(
        target,
        state.activation,
        before?.versions.get(version)?.activation,
      );
      held ||= activation !== state.activation;
      versions.set(version, activation === state.activation ? state : { ...state, activation });
    }
    if (held) this.#held.set(service, { ...shown, versions });
  }

  #activation(
    { service, version }: Pick<Target, "service" | "version">,
    shown: Activation,
    before: Activation | undefined,
  ): Activation {
    const key = versionKey({ service, version });
    const least = this.#least.get(key) ?? 0;
    const former = before !== undefined && before.generation >= least ? before : { generation: least };
    const activation = shown.generation >= least ? shown : keptOf(former, shown);
    const { generation } = activation;
    this.#least.set(key, generation);
    const beyond = Math.max(activation === shown ? 0 : generation, this.#asked.get(key) ?? 0);
    if (beyond > shown.generation) this.#behind.set(key, { service, version, generation: beyond });
    else this.#behind.delete(key);
    return activation;
  }

  /** Its clusters are taken away: the names that Envoys know are used up. */
  #gone(of: Pick<Target, "service" | "version">, generation: number): void {
    const key = versionKey(of);
    this.#behind.delete(key);
    const asked = this.#asked.get(key) ?? 0;
    this.#least.set(key, asked >= generation ? asked + 1 : generation);
  }
}

/** What was, but for the administrator's word, which Consul has. */
function keptOf({ stopped: _former, ...kept }: Activation, { stopped }: Activation): Activation {
  return { ...kept, ...(stopped === undefined ? {} : { stopped }) };
}
