import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { ownClient } from "./database/client.ts";
import { watchPulse } from "./database/pulse.ts";
import type { OpenContext, OrdersPart } from "./part.ts";

/** Any number that nobody else locks: who holds it leads. */
const LOCK = 7_305_515;
/** How often it is tried to become the leader, ms. */
const STAND_MS = 1_000;
/** Pause before a part's work that failed is begun again, ms. */
const AGAIN_MS = 1_000;
/** A leader whose host is cut off is noticed by a server elsewhere after some 11 s; s each. */
const KEEP_ALIVE = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3";

/** Stands for the leadership among all processes on one database, by an advisory lock, and does the parts' work while it is held. */
export class Leadership {
  readonly #parts: readonly OrdersPart[];
  readonly #context: OpenContext;
  readonly #closing = new AbortController();
  #standing: Promise<void> = Promise.resolve();

  constructor(parts: readonly OrdersPart[], context: OpenContext) {
    this.#parts = parts;
    this.#context = context;
  }

  start(): void {
    this.#standing = this.#stand();
  }

  /** Lets go of the work; another process takes over. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#standing;
  }

  async #stand(): Promise<void> {
    const { url, log } = this.#context;
    const closing = this.#closing.signal;
    while (!closing.aborted) {
      const client = ownClient(url, { name: "rouse-orders-lock", options: KEEP_ALIVE });
      let unwatch = () => {};
      const over = new AbortController();
      const end = () => over.abort();
      closing.addEventListener("abort", end, { once: true });
      client.on("error", end).on("end", end);
      try {
        await client.connect();
        const { rows } = await client.query<{ got: boolean }>("SELECT pg_try_advisory_lock($1) AS got", [
          LOCK,
        ]);
        if (rows[0]?.got === true) {
          log.info("this process does the work of orders");
          // Whoever cannot be told that the lock is lost must not go on as if it had it.
          unwatch = watchPulse(client);
          await Promise.all(this.#parts.map((part) => this.#lead(part, over.signal)));
        }
      } catch (err) {
        if (!closing.aborted) log.warn({ err }, "orders wait for the database");
      } finally {
        closing.removeEventListener("abort", end);
        unwatch();
        await client.end().catch(() => undefined);
      }
      await sleep(STAND_MS, undefined, { signal: closing }).catch(() => undefined);
    }
  }

  async #lead(part: OrdersPart, signal: AbortSignal): Promise<void> {
    if (part.lead === undefined) return untilAborted(signal);
    const log: Logger = this.#context.log.child({ part: part.name });
    while (!signal.aborted) {
      try {
        await part.lead({ ...this.#context, log }, signal);
      } catch (err) {
        if (!signal.aborted) log.warn({ err }, "the work of a part of orders failed; it is begun again");
      }
      if (!signal.aborted) await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** Resolves when the signal aborts. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
