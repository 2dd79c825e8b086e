import { setTimeout as sleep } from "node:timers/promises";
import { CacheService } from "#proto/rouse/orders/v1/cache.ts";
import type { OrdersPart } from "../part.ts";
import { cacheService } from "./service.ts";
import { CacheStore } from "./store.ts";
import { cacheTables } from "./tables.ts";

/** From one look at what is past its time to the next, ms; it is not given out before either. */
const ROUND_MS = 60_000;

/** The cache. */
export const cachePart: OrdersPart = {
  name: "cache",
  tables: cacheTables,
  channels: [],
  serve(server, { opened }) {
    server.addService(
      CacheService,
      cacheService(async () => new CacheStore((await opened()).pool)),
    );
  },
  async lead({ pool }, signal) {
    const store = new CacheStore(pool);
    while (!signal.aborted) {
      await store.expire();
      await sleep(ROUND_MS, undefined, { signal }).catch(() => undefined);
    }
  },
};
