import type { Metadata } from "@grpc/grpc-js";
import type { CacheServer } from "#proto/rouse/orders/v1/cache.ts";
import { answer } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import { whoCalls, withinMesh } from "../who.ts";
import type { CacheStore } from "./store.ts";

/** The service rouse.orders.v1.Cache. @param opened The database may have to be started first. */
export function cacheService(opened: () => Promise<CacheStore>): CacheServer {
  return {
    getEntry: answer(async ({ key }, metadata) => {
      const service = serviceOf(metadata);
      const entry = await (await opened()).get(service, key);
      if (entry === undefined) return { found: false, value: Buffer.alloc(0), expiresAtMs: 0 };
      return { found: true, value: entry.value, expiresAtMs: entry.expiresAt.getTime() };
    }),
    setEntry: answer(async ({ key, value, ttlMs }, metadata) => {
      const service = serviceOf(metadata);
      await (await opened()).set(service, key, value, ttlMs);
      return {};
    }),
    deleteEntry: answer(async ({ key }, metadata) => {
      const service = serviceOf(metadata);
      await (await opened()).delete(service, key);
      return {};
    }),
    clearCache: answer(async (_, metadata) => {
      const service = serviceOf(metadata);
      await (await opened()).clear(service);
      return {};
    }),
    getCacheUsage: answer(async (_, metadata) => {
      const service = serviceOf(metadata);
      const store = await opened();
      return { ...(await store.use(service)), mostBytes: store.mostBytes };
    }),
  };
}

function serviceOf(metadata: Metadata): string {
  const who = whoCalls(metadata);
  withinMesh(who, "The cache");
  if (who.service !== "") return who.service;
  throw new RouseError(
    "FAILED_PRECONDITION",
    'The cache is that of a service, and this caller is none. Call it from within a service; elsewhere name one by ROUSE_SERVICE, such as "align.v1.AlignService".',
    { reason: "CACHE_NO_SERVICE" },
  );
}
