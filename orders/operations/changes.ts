import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import type { Logger } from "pino";

const RETRY_MS = 500;

/** Hears which operations changed, whichever process changed them. */
export class Changes {
  readonly #url: string;
  readonly #log: Logger;
  readonly #listeners = new Set<(id: string | undefined) => void>();
  readonly #closing = new AbortController();
  #client: Client | undefined;

  constructor(url: string, log: Logger) {
    this.#url = url;
    this.#log = log;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    await this.#connect();
  }

  /** @param listener told the id of each that changed; undefined: any may have, as the connection was away. */
  listen(listener: (id: string | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client?.end().catch(() => undefined);
  }

  async #connect(): Promise<void> {
    const client = new Client({ connectionString: this.#url, application_name: "rouse-orders-changes" });
    // One that cannot connect says so by a rejection, and by an event as well.
    let connected = false;
    const again = (err?: Error) => {
      if (!connected) return;
      connected = false;
      if (this.#closing.signal.aborted) return;
      this.#log.warn({ err }, "the database tells no changes; it is asked again");
      void this.#reconnect();
    };
    client.on("error", again);
    client.on("end", () => again());
    client.on("notification", ({ payload }) => this.#tell(payload));
    await client.connect();
    await client.query("LISTEN rouse_operations");
    connected = true;
    this.#client = client;
  }

  async #reconnect(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await sleep(RETRY_MS, undefined, { signal: this.#closing.signal });
        await this.#connect();
        this.#tell(undefined);
        return;
      } catch {
        // The next round.
      }
    }
  }

  #tell(id: string | undefined): void {
    for (const listener of this.#listeners) listener(id);
  }
}
