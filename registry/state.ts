import type { VersionHealth } from "./health-record.ts";
import type { Manifest } from "./manifest.ts";
import type { TuningRecord } from "./tuning/record.ts";

/** All that Consul holds of the mesh at one moment, by full service name. Never changed in place. */
export interface MeshState {
  readonly services: ReadonlyMap<string, ServiceState>;
}

export interface ServiceState {
  /** By exact version. */
  readonly versions: ReadonlyMap<string, VersionState>;
  /** By tag name; weights are relative to their sum. */
  readonly tags: ReadonlyMap<string, readonly WeightedVersion[]>;
}

export interface WeightedVersion {
  readonly version: string;
  readonly weight: number;
}

/** The catalog's word on a version, without its descriptor set. */
export type VersionManifest = Omit<Manifest, "descriptorSet">;

export interface VersionState {
  /** As the mesh runs it: what was tuned stands above the contract. */
  readonly manifest: VersionManifest;
  /** What was tuned, and what the contract itself says; absent where nothing was. */
  readonly tuning?: {
    readonly contract: VersionManifest;
    readonly service?: TuningRecord | undefined;
    readonly version?: TuningRecord | undefined;
  };
  readonly deployment: Deployment;
  readonly activation: Activation;
  /** Instances registered in Consul, of all generations. */
  readonly instances: readonly InstanceState[];
  /** Set while a person must approve the version, or has denied it: it is not listed. */
  readonly approval?: "pending" | "denied";
  /** True while it may not run for that reason, either. */
  readonly barred?: true;
  /** How its instances do that are not well; undefined when all are. */
  readonly health?: VersionHealth;
}

/** What runs, and with what around it. */
export interface Deployment {
  readonly artifact:
    | { readonly kind: "bundle"; readonly digest: string }
    | {
        readonly kind: "image";
        readonly name: string;
        readonly port: number;
        readonly command: readonly string[];
      };
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly { readonly source: string; readonly target: string }[];
  /** Milliseconds since 1970. */
  readonly registeredAtMs: number;
}

/** Written by the orchestrator, read by every mesh-config. */
export interface Activation {
  /** The generation that routes point to; the first is 1. */
  readonly generation: number;
  /** True once an instance of this generation has served: Envoys know its cluster. Default false. */
  readonly served?: boolean;
  /** Failed starts in a row, over generations. Default 0. */
  readonly failures?: number;
  /** Set while an administrator keeps the version stopped. */
  readonly stopped?: { readonly reason: string; readonly atMs: number };
  /** Set while starts of this generation are given up; the next generation clears it. */
  readonly failure?: {
    /** gRPC status name, such as "UNAVAILABLE". */
    readonly status: string;
    /** Why, as a clause: "exited with code 3: …". */
    readonly message: string;
    /** When the orchestrator moves on to the next generation, ms since 1970. */
    readonly retryAtMs: number;
    /** So many times in a row it ended soon after it began to serve: it is in a crash loop. */
    readonly crashes?: number;
    /** It is not tried again by itself. Default false. */
    readonly final?: boolean;
  };
}

export interface InstanceState {
  readonly id: string;
  readonly generation: number;
  readonly host: string;
  readonly runtime: string;
  /** "127.0.0.1:4711" or "unix:/path". */
  readonly address: string;
  /** Consul's check passes. */
  readonly healthy: boolean;
  /** No new calls: it is not healthy, or it is retiring. */
  readonly draining: boolean;
  /** It drains for good: it is stopped when its calls are done. */
  readonly retiring?: true;
  /** Of its host; absent: none. */
  readonly zone?: string;
  /** Of its host; absent: 1. */
  readonly speed?: number;
  /** When it was started, ms since 1970; absent: unknown. */
  readonly startedAtMs?: number;
  /** It is frozen, and gets no calls before it is resumed; ms since 1970. */
  readonly standby?: {
    readonly sinceMs: number;
    /** When a call last used it: what was used longest ago is evicted first. */
    readonly lastUsedMs: number;
  };
  /** Why its host was chosen, in one line; absent: unknown. */
  readonly placed?: string;
  /** How it shares its work (registry/workers.ts, workersText); absent: unknown. */
  readonly workers?: string;
}
