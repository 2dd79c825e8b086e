import { isIPv4 } from "node:net";
import { InvalidArgumentError } from "commander";
import type { ArtifactFlags } from "../artifact-flags.ts";
import type { BuildFlags } from "../build-flags.ts";
import type { HealthFlags } from "../health-flags.ts";
import type { HostFlags } from "../host-flags.ts";
import type { NetworkFlags } from "./network.ts";
import type { Ports } from "./ports.ts";

export const runtimes = ["auto", "docker", "process", "in-process"] as const;

/** What --trace-sampling is, for those commands that have it. */
export const traceSamplingHelp =
  "share of calls without a traceparent that are traced, 0 to 1 (default: one each second and instance)";

/** What --guard-work is, for those commands that have it. */
export const guardWorkHelp =
  "callers at the edge need a provider's key to list, order and retry work and for artifacts; without one they see what they know the id of";

/** What `rouse up` was asked for. */
export interface UpOptions extends ArtifactFlags, BuildFlags, HealthFlags, HostFlags, NetworkFlags {
  /** Data folder, absolute. */
  readonly data: string;
  readonly runtime: (typeof runtimes)[number];
  /** 0: any free port. */
  readonly ports: Ports;
  /** How many control planes this host runs, if it runs any. */
  readonly controlPlanes: number;
  /** IPv4 address that the edge listens on. */
  readonly listenHost: string;
  /** Share of calls without a trace that begin one, 0 to 1; default: one each second and instance. */
  readonly traceSampling?: number;
  /** "host:port" of an OTLP collector over gRPC; the registry passes on to it. */
  readonly otlp?: string;
  /** postgresql://… of the server that keeps orders; default: the packaged one. */
  readonly database?: string;
  /** Anybody may make a provider, not only the administrator. */
  readonly openRegistration: boolean;
  /** Callers at the edge need a provider's key for work of which they do not know the id. */
  readonly guardWork: boolean;
  /** Build and register the packages in examples/. */
  readonly examples: boolean;
}

/** Parses a port flag. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError(`"${text}" is no port: give a number from 0 (any free one) to 65535.`);
}

/** Parses how many control planes a host runs. */
export function parseControlPlanes(text: string): number {
  if (/^[1-9]$/.test(text)) return Number(text);
  throw new InvalidArgumentError(
    `"${text}" is no number of control planes: give 1 to 9 (2 or 3 are enough for one host).`,
  );
}

/** Parses a share such as "0.1". */
export function parseShare(text: string): number {
  const share = Number(text);
  if (text.trim() !== "" && share >= 0 && share <= 1) return share;
  throw new InvalidArgumentError(`"${text}" is no share: give a number from 0 (none) to 1 (every call).`);
}

/** Parses an address to listen on. */
export function parseHost(text: string): string {
  if (isIPv4(text)) return text;
  throw new InvalidArgumentError(
    `"${text}" is no IPv4 address: give one of this machine, or 0.0.0.0 for all.`,
  );
}

/** Parses "host:port". */
export function parseAddress(text: string): string {
  if (/^[^\s:]+:\d{1,5}$|^\[[^\]\s]+\]:\d{1,5}$/.test(text)) return text;
  throw new InvalidArgumentError(`"${text}" is no address: give host:port, such as 127.0.0.1:4317.`);
}
