import type { Logger } from "pino";
import type { RuntimeName } from "./runtimes/runtime.ts";

/** Settings of an agent. */
export interface AgentOptions {
  /** Name of this host in the mesh; unique. */
  readonly host: string;
  /** "host:port"; port 0: any free one. Default "127.0.0.1:8073". */
  readonly listen?: string;
  /** IPv4 address of this host at which instances listen: Envoys of other hosts call them there. Default "127.0.0.1". */
  readonly bind?: string;
  /** The mesh's data folder; the agent keeps its state in `agent/` and its socket in `run/`. */
  readonly dataDir: string;
  /** "host:port" of Consul. */
  readonly consul: string;
  /** "host:port" of the registry, from where bundles come. */
  readonly registry: string;
  /** Default "auto": docker when an engine answers, else process. */
  readonly runtime?: RuntimeName | "auto";
  /** What instances get as ROUSE_MESH, such as "unix:/…/run/mesh.sock". */
  readonly meshTarget: string;
  /** What instances get as OTEL_EXPORTER_OTLP_ENDPOINT; none: no tracing. */
  readonly otlpEndpoint?: string;
  /** Cores to give away. Default: the machine's. */
  readonly cpu?: number;
  /** Bytes to give away. Default: the machine's. */
  readonly memoryBytes?: number;
  /** Default 0. */
  readonly gpu?: number;
  /** Facts about the host that placement may ask for. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Where the host stands: hosts of one zone may fail together. Default "". */
  readonly zone?: string;
  /** What the host costs per hour. Default 0. */
  readonly costPerHour?: number;
  /** How fast one of its cores is; 1 is usual. Default 1. */
  readonly speed?: number;
  /** "unix:///path" or "tcp://host:port"; default DOCKER_HOST, then /var/run/docker.sock. */
  readonly dockerHost?: string;
  /** Real memory that instances on standby must leave free, bytes. Default: 5 % of the machine's. */
  readonly keepFreeBytes?: number;
  /** How long the state and output of an ended instance are kept, ms. Default 1 h, and 100 instances at most. */
  readonly keepEndedMs?: number;
  /** Bytes of output kept per instance and stream. Default 10 MiB. */
  readonly maxLogBytes?: number;
  readonly log?: Logger;
}
