import { Metadata } from "@grpc/grpc-js";
import { CacheClient } from "#proto/rouse/orders/v1/cache.ts";
import { RouseError } from "../errors.ts";
import { unary } from "../grpc.ts";
import { CALLER_HEADER } from "../usage/caller.ts";
import { defaultTarget } from "./attempt.ts";
import { type SharedChannel, shareChannel } from "./channel.ts";
import type { ClientOptions } from "./types.ts";

/**
 * What can be made again, shared by all instances of a service: bounded in size, and what was not used for longest goes first. An
 * entry may be gone at any time. Errors are {@link RouseError}s.
 */
export interface Cache {
  get(key: string): Promise<Uint8Array | undefined>;
  /**
   * @param value At most 4 MiB.
   * @throws RouseError RESOURCE_EXHAUSTED CACHE_ENTRY_TOO_LARGE; INVALID_ARGUMENT CACHE_ENTRY_INVALID.
   */
  set(key: string, value: Uint8Array, options?: CacheSetOptions): Promise<void>;
  /** The entry, or else what is made now, which is kept. Where the cache is away, or takes no such value, it is made each time. */
  through(key: string, make: () => Promise<Uint8Array>, options?: CacheSetOptions): Promise<Uint8Array>;
  delete(key: string): Promise<void>;
  /** Deletes all entries of the service. */
  clear(): Promise<void>;
  usage(): Promise<{ readonly entries: number; readonly bytes: number; readonly mostBytes: number }>;
  /** Lets go of the connection. */
  close(): void;
}

export interface CacheSetOptions {
  /** How long it is good, ms: up to 7 days. Default: an hour. */
  readonly ttlMs?: number;
}

/** The database may have to be started first, ms. */
const START_MS = 90_000;
const MOST_BYTES = 64 * 2 ** 20;

/** The cache of the service that this process is of. */
export function cache(options: Pick<ClientOptions, "target"> = {}): Cache {
  const channel = shareChannel(defaultTarget(options), MOST_BYTES);
  const metadata = new Metadata();
  if (process.env.ROUSE_SERVICE) metadata.set(CALLER_HEADER, process.env.ROUSE_SERVICE);
  const ask = { deadlineMs: START_MS, metadata };
  const grpc = () => clientOf(channel);
  const get = async (key: string) => {
    const { found, value } = await unary(grpc(), "getEntry", { key }, ask);
    return found ? value : undefined;
  };
  const set = async (key: string, value: Uint8Array, { ttlMs = 0 }: CacheSetOptions = {}) => {
    await unary(grpc(), "setEntry", { key, value: Buffer.from(value), ttlMs }, ask);
  };
  return {
    get,
    set,
    async through(key, make, options) {
      const found = await forgiving(() => get(key));
      if (found !== undefined) return found;
      const made = await make();
      await forgiving(() => set(key, made, options));
      return made;
    },
    async delete(key) {
      await unary(grpc(), "deleteEntry", { key }, ask);
    },
    async clear() {
      await unary(grpc(), "clearCache", {}, ask);
    },
    usage: () => unary(grpc(), "getCacheUsage", {}, ask),
    close: () => channel.release(),
  };
}

/** A cache that is away is no reason to fail. */
async function forgiving<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (thrown) {
    const { status } = RouseError.from(thrown);
    if (status === "UNAVAILABLE" || status === "DEADLINE_EXCEEDED" || status === "RESOURCE_EXHAUSTED")
      return undefined;
    throw thrown;
  }
}

const clients = new WeakMap<SharedChannel["grpc"], CacheClient>();

function clientOf({ grpc }: SharedChannel): CacheClient {
  let client = clients.get(grpc);
  if (client === undefined) {
    client = new CacheClient("", undefined as never, { channelOverride: grpc.getChannel() });
    clients.set(grpc, client);
  }
  return client;
}
