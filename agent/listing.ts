import type { Logger } from "pino";
import type { ConsulClient } from "../registry/consul.ts";
import {
  followListedInstances,
  type HeldInstance,
  holds,
  type InstanceRegistration,
  listInstance,
  nodeOf,
  unlistInstance,
} from "../registry/instances.ts";
import { pause } from "./time.ts";

/** The host's Consul agent lists a change within milliseconds; what it has not after this time is done here, ms. */
const PATIENCE_MS = 1_500;
/** What failed is tried again after this time, ms. */
const AGAIN_MS = 1_000;

export interface ListingOptions {
  readonly consul: ConsulClient;
  readonly host: string;
  readonly log: Logger;
  /** What the catalog should have of this host. */
  readonly wanted: ReadonlyMap<string, InstanceRegistration>;
  /** Whether an instance is just being announced or withdrawn. */
  readonly isChanging: (id: string) => boolean;
}

/**
 * Sees to it that others see this host's instances as they are: when Consul was put back to an earlier state, its catalog lists
 * instances that have ended, and lacks those that came since.
 */
export class Listing {
  readonly #options: ListingOptions;
  readonly #closing = new AbortController();
  #node = "";
  #listed: readonly HeldInstance[] | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ListingOptions) {
    this.#options = options;
  }

  /** Begins to follow the catalog. */
  async start(): Promise<void> {
    const { consul, host } = this.#options;
    const { signal } = this.#closing;
    while (this.#node === "" && !signal.aborted) {
      try {
        this.#node = await nodeOf(consul);
      } catch {
        // Consul is away.
        await pause(AGAIN_MS, signal);
      }
    }
    const onChange = (listed: readonly HeldInstance[]) => {
      this.#listed = listed;
      this.#lookIn(PATIENCE_MS);
    };
    await followListedInstances(consul, this.#node, host, onChange, signal);
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#timer);
  }

  #lookIn(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#closing.signal.aborted) this.#timer = setTimeout(() => void this.#look(), ms).unref();
  }

  async #look(): Promise<void> {
    const { consul, wanted, isChanging, log } = this.#options;
    const listed = new Map(this.#listed?.map((one) => [one.id, one]));
    const wrong = [...wanted.values()].filter(
      (one) => !isChanging(one.id) && !holds(listed.get(one.id), one),
    );
    const gone = [...listed.keys()].filter((id) => !isChanging(id) && !wanted.has(id));
    if (wrong.length + gone.length === 0) return;
    const facts = { listed: wrong.map(({ id }) => id), unlisted: gone };
    log.warn(facts, "Consul's catalog does not show this host's instances as they are: it is set right");
    try {
      for (const one of wrong) await listInstance(consul, this.#node, one);
      for (const id of gone) await unlistInstance(consul, this.#node, id);
    } catch (err) {
      log.debug({ err }, "the catalog is not set right; it is tried again");
      this.#lookIn(AGAIN_MS);
    }
  }
}
