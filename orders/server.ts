import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Server } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { type Access, accessOf } from "../registry/access.ts";
import { ConsulClient } from "../registry/consul.ts";
import { MeshFollower } from "../registry/follower.ts";
import { watchHosts } from "../registry/hosts.ts";
import { type HttpRoute, type RunningHttp, startHttp } from "../registry/http.ts";
import { ownerOf, servicesOf } from "../registry/ownership.ts";
import { announceOrders } from "../registry/parts.ts";
import { listen } from "../sdk/grpc.ts";
import { makeLog } from "../sdk/log.ts";
import type { ArtifactSettings } from "./artifacts/open.ts";
import { Artifacts } from "./artifacts/store.ts";
import { Changes } from "./database/changes.ts";
import { type OrdersDatabase, openDatabase } from "./database/connect.ts";
import { contentKeysAtEdge, keysAtEdge } from "./edge-keys.ts";
import { refuseForeignPages } from "./foreign-pages.ts";
import { Leadership } from "./leader.ts";
import { MeshCalls, MOST_BYTES } from "./operations/mesh-call.ts";
import type { OpenContext, PartContext } from "./part.ts";
import { PARTS } from "./parts.ts";
import { VersionPins } from "./pins/pins.ts";
import { type Owners, Rights } from "./rights.ts";
import { LocalRuns } from "./runs/local-runs.ts";

export interface OrdersOptions {
  /** "host:port"; port 0: any. */
  readonly listen: string;
  /** Address of Consul, such as "127.0.0.1:8500". */
  readonly consul: string;
  /** The mesh's listener for services, "host:port" or "unix:/path". */
  readonly mesh: string;
  /** Folder of its own; the packaged PostgreSQL keeps its data there. */
  readonly dataDir: string;
  /** postgresql://… of another server. */
  readonly database?: string;
  /** HTTP side, "host:port"; port 0: any; undefined: none. */
  readonly http?: string;
  readonly artifacts?: ArtifactSettings;
  /** The administrator's key, when it is known; asked for each time that somebody brings a key. */
  readonly administrator?: () => string | undefined;
  /** Callers at the edge need a provider's key or the administrator's, but for what they know the id of. Default: none does. */
  readonly guarded?: boolean;
  readonly log?: Logger;
}

export interface RunningOrders {
  /** "host:port" that clients dial. */
  readonly address: string;
  /** "host:port" of the HTTP side; empty: there is none. */
  readonly httpAddress: string;
  /** Lets go of calls under way, and ends the database if it is the packaged one. */
  close(): Promise<void>;
}

/** Pause before a database that is not there is asked again, ms. */
const AGAIN_MS = 1_000;

interface Opened {
  readonly database: OrdersDatabase;
  readonly leadership: Leadership;
  readonly context: OpenContext;
}

/**
 * Serves what orders do (see parts.ts). The packaged PostgreSQL is started when it is first needed, and from then on with this
 * process.
 *
 * @throws RouseError ADDRESS_IN_USE, ADDRESS_UNUSABLE, CONSUL_ADDRESS_INVALID.
 */
export async function startOrders(options: OrdersOptions): Promise<RunningOrders> {
  const log = options.log ?? makeLog("orders", 2);
  const consul = new ConsulClient({ address: options.consul });
  const mesh = new MeshFollower(consul, log);
  mesh.ready.catch(() => undefined);
  const hosts = watchHosts(consul, { log });
  const calls = new MeshCalls(options.mesh);
  const folder = options.dataDir;

  const open = async (): Promise<Opened> => {
    const database = await openDatabase({ url: options.database, folder, parts: PARTS, log });
    const { url, pool } = database;
    const channels = PARTS.flatMap((part) => part.channels);
    const changes = new Changes(url, channels, log.child({ part: "changes" }));
    try {
      await changes.start();
    } catch (error) {
      await database.close();
      throw error;
    }
    const open = { ...context, url, pool, changes };
    const leadership = new Leadership(PARTS, open);
    leadership.start();
    return { database, leadership, context: open };
  };
  let opening: Promise<Opened> | undefined;
  const opened = async () => {
    opening ??= open();
    try {
      return (await opening).context;
    } catch (error) {
      // The next call tries it again.
      opening = undefined;
      throw error;
    }
  };

  const closing = new AbortController();
  /** What was under way goes on by itself, also when the database comes later than this process. */
  const openInTime = async () => {
    while (!closing.signal.aborted) {
      try {
        await opened();
        return;
      } catch (err) {
        log.error({ err }, "the database of orders is not there; it is tried again");
      }
      await sleep(AGAIN_MS, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  };

  const artifacts = new Artifacts({
    ...options.artifacts,
    folder,
    pool: async () => (await opened()).pool,
    log: log.child({ part: "artifacts" }),
  });
  const pins = new VersionPins(consul, log.child({ part: "pins" }));
  const localRuns = new LocalRuns();
  const guarded = options.guarded === true;
  const nobodys = randomUUID();
  const access: Access = {
    identify: (metadata) => accessOf(consul, options.administrator?.() ?? nobodys).identify(metadata),
  };
  const keys = { access, guarded };
  const owners: Owners = {
    ownerOf: (service) => ownerOf({ consul }, service),
    servicesOf: (provider) => servicesOf({ consul }, provider),
  };
  const context: PartContext = {
    log,
    consul,
    mesh,
    hosts,
    calls,
    artifacts,
    pins,
    localRuns,
    folder,
    opened,
    rights: new Rights(guarded ? owners : undefined),
    guardContent: contentKeysAtEdge(keys),
  };
  const server = new Server({
    "grpc.max_receive_message_length": 2 * MOST_BYTES,
    interceptors: [refuseForeignPages, keysAtEdge(keys)],
  });
  const routes: HttpRoute[] = [];
  for (const part of PARTS) {
    const own = { ...context, log: log.child({ part: part.name }) };
    part.serve(server, own);
    routes.push(...(part.http?.(own) ?? []));
  }
  let http: RunningHttp | undefined;
  const closeAll = async () => {
    closing.abort();
    mesh.close();
    hosts.close();
    consul.close();
    const running = await opening?.catch(() => undefined);
    await running?.leadership.close();
    await running?.context.changes.close();
    await artifacts.close();
    calls.close();
    await running?.database.close();
  };
  try {
    const address = await listen(server, options.listen);
    if (options.http !== undefined) http = await startHttp(options.http, routes, log);
    const httpAddress = http?.address ?? "";
    // Something may have been under way when the last process ended.
    if (options.database !== undefined || existsSync(join(folder, "postgres", "data"))) void openInTime();
    const announced = announceOrders(consul, { address, httpAddress }, log);
    return {
      address,
      httpAddress,
      async close() {
        await announced.close();
        server.forceShutdown();
        await http?.close();
        await closeAll();
      },
    };
  } catch (thrown) {
    await http?.close();
    await closeAll();
    throw thrown;
  }
}
