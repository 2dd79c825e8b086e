import type { Logger } from "pino";
import type { ConsulClient } from "../registry/consul.ts";
import {
  deregisterInstance,
  holds,
  type InstanceRegistration,
  listOwnInstances,
  registerInstance,
  setInstanceHealth,
} from "../registry/instances.ts";
import { Listing } from "./listing.ts";
import { pause } from "./time.ts";

/** How often Consul is compared with what runs, ms: it may lose its state or restart. */
const compareMs = 5_000;
/** How often the checks are refreshed, ms; their TTL is ten minutes. */
const refreshMs = 60_000;

/**
 * Keeps Consul's picture of this host's instances equal to what runs. Callers only say what should be there: trying,
 * trying again and comparing is done here.
 */
export class Registrations {
  readonly #consul: ConsulClient;
  readonly #host: string;
  readonly #log: Logger;
  readonly #wanted = new Map<string, InstanceRegistration>();
  /** At most one worker per instance, so that two changes never overtake each other. */
  readonly #workers = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  readonly #listing: Listing;
  #comparer: NodeJS.Timeout | undefined;
  #refreshedAt = performance.now();
  #away = false;

  constructor(consul: ConsulClient, host: string, log: Logger) {
    this.#consul = consul;
    this.#host = host;
    this.#log = log;
    const isChanging = (id: string) => this.#workers.has(id);
    this.#listing = new Listing({ consul, host, log, wanted: this.#wanted, isChanging });
  }

  /** Begins to compare; from here on, whatever this host has in Consul beyond what was set is removed. */
  start(): void {
    const run = async () => {
      await this.compare().catch((err) =>
        this.#log.debug({ err }, "Consul cannot be compared with what runs"),
      );
      if (!this.#closing.signal.aborted) this.#comparer = setTimeout(run, compareMs).unref();
    };
    void run();
    void this.#listing.start();
  }

  /** Announces an instance or changes what is announced of it. */
  set(registration: InstanceRegistration): void {
    this.#wanted.set(registration.id, registration);
    void this.#sync(registration.id);
  }

  /** @returns resolves when Consul has forgotten it (or the agent closes). */
  remove(id: string): Promise<void> {
    this.#wanted.delete(id);
    return this.#sync(id);
  }

  /** Compares once, and mends. @throws RouseError when Consul does not answer. */
  async compare(): Promise<void> {
    const refresh = performance.now() - this.#refreshedAt >= refreshMs;
    if (refresh) this.#refreshedAt = performance.now();
    const there = new Map((await listOwnInstances(this.#consul, this.#host)).map((one) => [one.id, one]));
    for (const [id, wanted] of this.#wanted) {
      if (!holds(there.get(id), wanted)) {
        this.#log.info({ instance: id }, "Consul did not hold this instance as it is: registering it again");
        void this.#sync(id);
      } else if (refresh) {
        const healthy = wanted.healthy ?? true;
        if (!(await setInstanceHealth(this.#consul, id, healthy))) void this.#sync(id);
      }
    }
    for (const id of there.keys()) if (!this.#wanted.has(id)) void this.#sync(id);
  }

  /** Stops trying; what is in Consul stays there. */
  close(): void {
    this.#closing.abort();
    clearTimeout(this.#comparer);
    this.#listing.close();
  }

  #sync(id: string): Promise<void> {
    const before = this.#workers.get(id) ?? Promise.resolve();
    const worker = before.then(() => this.#apply(id));
    this.#workers.set(id, worker);
    void worker.then(() => {
      if (this.#workers.get(id) === worker) this.#workers.delete(id);
    });
    return worker;
  }

  /** Brings Consul to what is wanted at this moment; tries for as long as the agent runs. */
  async #apply(id: string): Promise<void> {
    for (let delayMs = 50; !this.#closing.signal.aborted; delayMs = Math.min(delayMs * 2, 2_000)) {
      try {
        const wanted = this.#wanted.get(id);
        if (wanted === undefined) await deregisterInstance(this.#consul, id);
        else await registerInstance(this.#consul, wanted);
        this.#recovered();
        return;
      } catch (err) {
        if (this.#closing.signal.aborted) return;
        this.#failed(err);
        await pause(delayMs, this.#closing.signal);
      }
    }
  }

  /** One line when Consul goes and one when it is back, not one per attempt. */
  #failed(err: unknown): void {
    if (!this.#away) this.#log.warn({ err }, "Consul takes no registrations; each is tried until it does");
    this.#away = true;
  }

  #recovered(): void {
    if (this.#away) this.#log.info("Consul takes registrations again");
    this.#away = false;
  }
}
