import type { Logger } from "pino";
import { followQuery, notify } from "../blocking.ts";
import type { ConsulClient } from "../consul.ts";
import { type AboutRecord, aboutRecordSchema } from "../descriptions/index.ts";
import { ABOUT_PREFIX, aboutKey, parseVersionKey } from "../keys.ts";
import { kvListSchema, kvPath } from "../kv.ts";
import { PrefixCache } from "../prefix-cache.ts";

/** What the catalog says of versions beside their manifests, followed in Consul. */
export class Abouts {
  readonly #closing = new AbortController();
  readonly #cache: PrefixCache<AboutRecord>;
  readonly #ready = Promise.withResolvers<void>();

  /** @param onChange Told the services with a description that is new, other or gone. */
  constructor(consul: ConsulClient, log: Logger, onChange: (services: ReadonlySet<string>) => void) {
    this.#ready.promise.catch(() => undefined);
    this.#cache = new PrefixCache<AboutRecord>(
      (_, json) => aboutRecordSchema.parse(json),
      (key, err) =>
        log.error(
          { key, err },
          `Consul holds under ${key} what Rouse cannot read: the last good value stays`,
        ),
    );
    void followQuery(
      consul,
      {
        path: kvPath(ABOUT_PREFIX),
        query: { recurse: "" },
        accept: [404],
        onAnswer: (response, fresh) => {
          const items = response.status === 404 ? [] : kvListSchema.parse(JSON.parse(response.text));
          const changed = new Set<string>();
          for (const key of this.#cache.replace(items, fresh)) {
            const name = parseVersionKey(ABOUT_PREFIX, key);
            if (name !== undefined) changed.add(name.service);
          }
          if (changed.size > 0) notify(() => onChange(changed));
          this.#ready.resolve();
        },
        onTrouble: (err) =>
          err && log.warn({ err }, "Consul is away: the last known descriptions stay in use"),
      },
      this.#closing.signal,
    );
  }

  /** Resolves after the first read; rejects on close before it. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Undefined for a version of which nothing is said, and for one that is not there. */
  get(service: string, version: string): AboutRecord | undefined {
    return this.#cache.get(aboutKey(service, version));
  }

  close(): void {
    this.#closing.abort();
    this.#ready.reject(new Error("the descriptions were closed before their first read"));
  }
}
