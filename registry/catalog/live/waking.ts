import { setTimeout as sleep } from "node:timers/promises";
import type { MeshConfigClient, WatchWakesResponse } from "#proto/rouse/meshconfig/v1/meshconfig.ts";

/** Pause before the control plane is asked again, ms. */
const FIRST_PAUSE_MS = 200;
const MOST_PAUSE_MS = 5_000;
/** Calls go on before Consul shows the instance: for so long a version that was woken does not look cold again. ms. */
const LINGER_MS = 1_000;

/** The versions for which calls are held right now, as the control plane tells them: Consul does not know yet. */
export class Waking {
  readonly #closing = new AbortController();
  readonly #onChange: (services: ReadonlySet<string>) => void;
  /** By "service/version"; with a timer once the wake has ended. */
  readonly #versions = new Map<string, { service: string; linger?: NodeJS.Timeout }>();

  /** @param onChange Told the services of which versions began or ceased to be woken. */
  constructor(client: MeshConfigClient | undefined, onChange: (services: ReadonlySet<string>) => void) {
    this.#onChange = onChange;
    if (client !== undefined) void this.#follow(client);
  }

  has(service: string, version: string): boolean {
    return this.#versions.has(`${service}/${version}`);
  }

  close(): void {
    this.#closing.abort();
    for (const { linger } of this.#versions.values()) clearTimeout(linger);
  }

  async #follow(client: MeshConfigClient): Promise<void> {
    const { signal } = this.#closing;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      const stream = client.watchWakes({});
      const cancel = () => stream.cancel();
      signal.addEventListener("abort", cancel, { once: true });
      stream.on("error", () => undefined);
      try {
        for await (const message of stream) {
          pauseMs = FIRST_PAUSE_MS;
          this.#take(message as WatchWakesResponse);
        }
      } catch {
        // The control plane is away or restarts; which calls are held nobody knows then.
      }
      signal.removeEventListener("abort", cancel);
      if (signal.aborted) return;
      this.#take({ underWay: [] });
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      pauseMs = Math.min(MOST_PAUSE_MS, pauseMs * 2);
    }
  }

  #take({ underWay }: WatchWakesResponse): void {
    const changed = new Set<string>();
    const now = new Set<string>();
    for (const { service, version } of underWay) {
      const key = `${service}/${version}`;
      now.add(key);
      const known = this.#versions.get(key);
      clearTimeout(known?.linger);
      if (known === undefined) changed.add(service);
      this.#versions.set(key, { service });
    }
    for (const [key, known] of this.#versions) {
      if (now.has(key) || known.linger !== undefined) continue;
      known.linger = setTimeout(() => {
        this.#versions.delete(key);
        this.#onChange(new Set([known.service]));
      }, LINGER_MS).unref();
    }
    if (changed.size > 0) this.#onChange(changed);
  }
}
