import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { Logger } from "pino";
import { ownClient } from "./client.ts";
import { watchPulse } from "./pulse.ts";

const RETRY_MS = 500;

/** @param payload what NOTIFY was given, such as an id; undefined: anything may have changed, as the connection was away. */
export type ChangeListener = (payload: string | undefined) => void;

/** Hears what changed in the database, whichever process changed it: one connection that listens to all channels of all parts. */
export class Changes {
  readonly #url: string;
  readonly #log: Logger;
  readonly #listeners: ReadonlyMap<string, Set<ChangeListener>>;
  readonly #closing = new AbortController();
  #client: Client | undefined;

  /** @param channels such as "rouse_operations". */
  constructor(url: string, channels: readonly string[], log: Logger) {
    this.#url = url;
    this.#log = log;
    this.#listeners = new Map(channels.map((channel) => [channel, new Set()]));
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    await this.#connect();
  }

  /** @param channel one of a part's channels. @returns ends it. */
  listen(channel: string, listener: ChangeListener): () => void {
    const listeners = this.#listeners.get(channel);
    if (listeners === undefined) throw new Error(`No part of orders names the channel ${channel}.`);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client?.end().catch(() => undefined);
  }

  async #connect(): Promise<void> {
    const client = ownClient(this.#url, { name: "rouse-orders-changes" });
    // One that cannot connect says so by a rejection, and by an event as well.
    let connected = false;
    let unwatch = () => {};
    const again = (err?: Error) => {
      if (!connected) return;
      connected = false;
      unwatch();
      if (this.#closing.signal.aborted) return;
      this.#log.warn({ err }, "the database tells no changes; it is asked again");
      void this.#reconnect();
    };
    client.on("error", again);
    client.on("end", () => again());
    client.on("notification", ({ channel, payload }) => this.#tell(channel, payload));
    await client.connect();
    for (const channel of this.#listeners.keys()) await client.query(`LISTEN ${channel}`);
    connected = true;
    unwatch = watchPulse(client);
    this.#client = client;
  }

  async #reconnect(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await sleep(RETRY_MS, undefined, { signal: this.#closing.signal });
        await this.#connect();
        for (const channel of this.#listeners.keys()) this.#tell(channel, undefined);
        return;
      } catch {
        // The next round.
      }
    }
  }

  #tell(channel: string, payload: string | undefined): void {
    for (const listener of this.#listeners.get(channel) ?? []) listener(payload);
  }
}
