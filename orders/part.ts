import type { Server } from "@grpc/grpc-js";
import type { Pool } from "pg";
import type { Logger } from "pino";
import type { ConsulClient } from "../registry/consul.ts";
import type { MeshFollower } from "../registry/follower.ts";
import type { HostsWatch } from "../registry/hosts.ts";
import type { HttpRoute } from "../registry/http.ts";
import type { Artifacts } from "./artifacts/store.ts";
import type { Changes } from "./database/changes.ts";
import type { ContentGuard } from "./edge-keys.ts";
import type { MeshCalls } from "./operations/mesh-call.ts";
import type { VersionPins } from "./pins/pins.ts";
import type { Rights } from "./rights.ts";
import type { LocalRuns } from "./runs/local-runs.ts";

/** What a part has from the beginning. */
export interface PartContext {
  readonly log: Logger;
  readonly consul: ConsulClient;
  /** What the catalog says. */
  readonly mesh: MeshFollower;
  /** The hosts and their agents. */
  readonly hosts: HostsWatch;
  /** Calls through the mesh's listener for services. */
  readonly calls: MeshCalls;
  /** Content that parts keep for others, and pass along by URI. */
  readonly artifacts: Artifacts;
  /** Keeps versions in the catalog of which something has not ended. */
  readonly pins: VersionPins;
  /** Who may see and change whose work. */
  readonly rights: Rights;
  /** Durable runs that this process is asked for and works on. */
  readonly localRuns: LocalRuns;
  /** Looks at the keys of callers at the edge before contents are given or taken over HTTP. */
  readonly guardContent: ContentGuard;
  /** Folder of orders; a part keeps files in one of its own below it. */
  readonly folder: string;
  /**
   * Starts the database when it is first needed.
   *
   * @throws RouseError UNAVAILABLE DATABASE_UNREACHABLE; FAILED_PRECONDITION DATABASE_MISSING, DATABASE_FAILED.
   */
  opened(): Promise<OpenContext>;
}

/** What a part has once the database answers. */
export interface OpenContext extends PartContext {
  /** Of the form postgresql://… */
  readonly url: string;
  /** Connections whose search path is the schema of orders. */
  readonly pool: Pool;
  readonly changes: Changes;
}

/** One of the things that orders do, such as async calls: its tables, its services and its work. */
export interface OrdersPart {
  /** Such as "operations"; its steps are counted under this name. */
  readonly name: string;
  /** Steps from no tables to today's, each applied once. Never change one that was released: add another. */
  readonly tables: readonly string[];
  /** Channels of NOTIFY that it listens to, such as "rouse_operations". */
  readonly channels: readonly string[];
  /** Adds its gRPC services; the database may not be there yet. */
  serve(server: Server, context: PartContext): void;
  /** What it answers over HTTP. */
  http?(context: PartContext): readonly HttpRoute[];
  /**
   * Work that only one process on a database does at a time: this one, until the signal aborts. It then lets go of what is under
   * way at once, and resolves; another process may have begun already. When it throws it is called again after a pause.
   */
  lead?(context: OpenContext, signal: AbortSignal): Promise<void>;
}
