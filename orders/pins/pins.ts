import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { ConsulClient } from "../../registry/consul.ts";
import { catalogKey, OPEN_WORK_PREFIX, openWorkKey } from "../../registry/keys.ts";
import { decodeValue, listKeys, transact } from "../../registry/kv.ts";
import { type OpenWork, openWorkSchema } from "../../registry/records.ts";
import { RouseError } from "../../sdk/errors.ts";
import { BELIEVED_MS, NOTHING_OPEN, noteOf } from "./note.ts";
import type { OpenVersion } from "./open-work.ts";

/** What changed is written at most so often, ms; and so that this takes the database a tenth of the time at most. */
const WRITE_MS = 250;
const REST = 10;
/** All is looked at so often, ms: where a pin is to settle, and otherwise. */
const LOOK_MS = { pinned: 1_000, settled: 10_000 } as const;

/**
 * Notes in Consul which versions have runs, operations and orders that have not ended: whoever removes versions from the catalog
 * looks there (registry/open-work.ts).
 */
export class VersionPins {
  readonly #consul: ConsulClient;
  readonly #log: Logger;
  /** When this process has pinned a version, by the key of its note, ms of performance.now(). */
  readonly #pinned = new Map<string, number>();
  /** Since when the pin of a note is seen, by its key. */
  #seen = new Map<string, { readonly pin: string; readonly sinceMs: number }>();
  #changed = Promise.withResolvers<void>();

  constructor(consul: ConsulClient, log: Logger) {
    this.#consul = consul;
    this.#log = log;
  }

  /**
   * Does what writes a run, an operation or an order to the database; their versions stay in the catalog from then on.
   *
   * @throws RouseError NOT_FOUND VERSION_UNKNOWN when one was removed just now; UNAVAILABLE CONSUL_UNREACHABLE; what `write` throws.
   */
  async during<T>(
    versions: readonly { readonly service: string; readonly version: string }[],
    write: () => Promise<T>,
  ): Promise<T> {
    const pinAll = async () => {
      for (const { service, version } of versions) await this.pin(service, version);
    };
    await pinAll();
    const written = await write();
    // It took long: what was pinned may have been let go of before the database had it.
    await pinAll();
    return written;
  }

  /** Pins a version, unless this process did so just now. Throws as {@link during} does. */
  async pin(service: string, version: string): Promise<void> {
    const key = openWorkKey(service, version);
    const nowMs = performance.now();
    if (nowMs - (this.#pinned.get(key) ?? Number.NEGATIVE_INFINITY) < BELIEVED_MS) return;
    const value = JSON.stringify({ pin: randomUUID(), ...NOTHING_OPEN } satisfies OpenWork);
    const written = await transact(this.#consul, [
      { verb: "get", key: catalogKey(service, version) },
      { verb: "set", key, value },
    ]);
    if (!written) {
      throw new RouseError(
        "NOT_FOUND",
        `${service} ${version} is not in the catalog any more. Register it again, or choose another version.`,
        {
          reason: "VERSION_UNKNOWN",
        },
      );
    }
    // Of before it was written: others saw it no earlier.
    this.#pinned.set(key, nowMs);
    this.changed();
  }

  /** Something began or ended. */
  changed(): void {
    this.#changed.resolve();
  }

  /** Keeps the notes true until the signal aborts; for the process that leads. */
  async keep(open: () => Promise<readonly OpenVersion[]>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#changed = Promise.withResolvers<void>();
      let lookMs: number = LOOK_MS.pinned;
      const beganMs = performance.now();
      try {
        lookMs = (await this.#write(open)) ? LOOK_MS.pinned : LOOK_MS.settled;
      } catch (err) {
        if (!signal.aborted)
          this.#log.warn({ err }, "versions with open work are not noted; it is tried again");
      }
      const restMs = Math.max(WRITE_MS, REST * (performance.now() - beganMs));
      const pause = new AbortController();
      const look = sleep(lookMs, undefined, { signal: AbortSignal.any([signal, pause.signal]) }).catch(
        () => undefined,
      );
      await Promise.race([look, this.#changed.promise]);
      pause.abort();
      await sleep(restMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** @returns whether pins are to settle. */
  async #write(open: () => Promise<readonly OpenVersion[]>): Promise<boolean> {
    // The notes first: what is pinned after that changes its note, so that it is not written over.
    const notes = new Map((await listKeys(this.#consul, OPEN_WORK_PREFIX)).map((item) => [item.Key, item]));
    const found = new Map([...notes].map(([key, item]) => [key, parsed(decodeValue(item).toString())]));
    const nowMs = performance.now();
    this.#seen = new Map(
      [...found].map(([key, note]) => {
        const pin = note?.pin ?? "";
        const known = this.#seen.get(key);
        return [key, known?.pin === pin ? known : { pin, sinceMs: nowMs }];
      }),
    );
    const versions = new Map(
      (await open()).map(({ service, version, open }) => [openWorkKey(service, version), open]),
    );
    let unsettled = false;
    for (const key of new Set([...notes.keys(), ...versions.keys()])) {
      const { pin, sinceMs } = this.#seen.get(key) ?? { sinceMs: nowMs };
      const note = noteOf(pin, nowMs - sinceMs, versions.get(key));
      unsettled ||= note !== undefined && note.pin !== "";
      const index = notes.get(key)?.ModifyIndex ?? 0;
      // Where somebody changes it at this moment, the next look does this.
      if (note === undefined) await transact(this.#consul, [{ verb: "delete-cas", key, index }]);
      else if (JSON.stringify(found.get(key)) !== JSON.stringify(note))
        await transact(this.#consul, [{ verb: "cas", key, index, value: JSON.stringify(note) }]);
    }
    return unsettled;
  }
}

/** Undefined: nothing that this version of Rouse wrote; it is written anew. */
function parsed(text: string): OpenWork | undefined {
  try {
    return openWorkSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
