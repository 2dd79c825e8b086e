import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { ConsulClient } from "../../registry/consul.ts";
import { catalogKey, RUNS_PREFIX, runsKey } from "../../registry/keys.ts";
import { decodeValue, type KvItem, listKeys, transact } from "../../registry/kv.ts";
import { type OpenRuns, openRunsSchema } from "../../registry/records.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { RunStore } from "./store.ts";

/** A note that this process wrote is believed so long, ms. */
const BELIEVED_MS = 60_000;
/** A note without runs is taken away after so long, ms: nobody believes in it any more. */
const EMPTY_MS = 2 * BELIEVED_MS;
/** What changed is written at most so often, ms; all is looked at as often as the other says. */
const WRITE_MS = 250;
const LOOK_MS = 10_000;

/**
 * Notes in Consul which versions have durable runs that have not ended: whoever removes versions from the catalog looks there
 * (registry/open-runs.ts).
 */
export class VersionPins {
  readonly #consul: ConsulClient;
  readonly #log: Logger;
  /** When a note was written by this process, by its key, ms of performance.now(). */
  readonly #pinned = new Map<string, number>();
  /** When a note without runs was first seen, by its key. */
  readonly #empty = new Map<string, number>();
  #changed = Promise.withResolvers<void>();

  constructor(consul: ConsulClient, log: Logger) {
    this.#consul = consul;
    this.#log = log;
  }

  /**
   * A durable run of that version is about to begin.
   *
   * @throws RouseError NOT_FOUND VERSION_UNKNOWN when it was removed just now; UNAVAILABLE CONSUL_UNREACHABLE.
   */
  async pin(service: string, version: string): Promise<void> {
    const key = runsKey(service, version);
    const pinnedMs = this.#pinned.get(key) ?? Number.NEGATIVE_INFINITY;
    if (performance.now() - pinnedMs < BELIEVED_MS) return;
    const written = await transact(this.#consul, [
      { verb: "get", key: catalogKey(service, version) },
      { verb: "set", key, value: JSON.stringify({ open: 1, runs: [] } satisfies OpenRuns) },
    ]);
    if (!written) {
      throw new RouseError("NOT_FOUND", `${service} ${version} was removed from the catalog just now.`, {
        reason: "VERSION_UNKNOWN",
      });
    }
    this.#pinned.set(key, performance.now());
    this.changed();
  }

  /** Runs began or ended. */
  changed(): void {
    this.#changed.resolve();
  }

  /** Keeps the notes true until the signal aborts; for the process that leads. */
  async keep(store: RunStore, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#changed = Promise.withResolvers<void>();
      try {
        await this.#write(store);
      } catch (err) {
        if (!signal.aborted) this.#log.warn({ err }, "versions with durable runs are not noted; tried again");
      }
      const pause = new AbortController();
      const look = sleep(LOOK_MS, undefined, { signal: AbortSignal.any([signal, pause.signal]) }).catch(
        () => undefined,
      );
      await Promise.race([look, this.#changed.promise]);
      pause.abort();
      await sleep(WRITE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #write(store: RunStore): Promise<void> {
    const notes = new Map((await listKeys(this.#consul, RUNS_PREFIX)).map((item) => [item.Key, item]));
    const open = new Map(
      (await store.pins()).map(({ service, version, open, runs }) => [
        runsKey(service, version),
        { open, runs },
      ]),
    );
    for (const [key, value] of open) {
      this.#empty.delete(key);
      const note = notes.get(key);
      if (note === undefined || !same(note, value)) await this.#set(key, value, note);
    }
    for (const [key, note] of notes) if (!open.has(key)) await this.#clear(key, note);
  }

  async #set(key: string, value: OpenRuns, note: KvItem | undefined): Promise<void> {
    // Somebody who pins it at this moment writes that it is pinned, which is as well.
    const index = note?.ModifyIndex ?? 0;
    await transact(this.#consul, [{ verb: "cas", key, index, value: JSON.stringify(value) }]);
  }

  async #clear(key: string, note: KvItem): Promise<void> {
    const none: OpenRuns = { open: 0, runs: [] };
    const sinceMs = this.#empty.get(key);
    if (sinceMs === undefined || !same(note, none)) {
      this.#empty.set(key, performance.now());
      if (!same(note, none)) await this.#set(key, none, note);
    } else if (performance.now() - sinceMs > EMPTY_MS) {
      this.#empty.delete(key);
      await transact(this.#consul, [{ verb: "delete-cas", key, index: note.ModifyIndex }]);
    }
  }
}

function same(note: KvItem, { open, runs }: OpenRuns): boolean {
  const found = openRunsSchema.safeParse(JSON.parse(decodeValue(note).toString() || "null"));
  return found.success && found.data.open === open && found.data.runs.join() === runs.join();
}
