import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { z } from "zod";
import { announce, refresh, withdraw } from "./announce.ts";
import { followQuery, notify } from "./blocking.ts";
import type { ConsulClient } from "./consul.ts";
import { splitAddress } from "./instances.ts";

/** Consul service of every agent. */
export const HOST_SERVICE = "rouse-agent";

/** A host and what it has in all; what is in use its agent says. */
export interface HostRegistration {
  readonly host: string;
  /** "host:port" of the agent. */
  readonly address: string;
  readonly runtime: string;
  /** Cores. */
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly gpu: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface HostState extends HostRegistration {
  /** The agent refreshed its check in time. */
  readonly healthy: boolean;
}

/** An agent that is silent for this long counts as away; ms. */
const TTL_MS = 15_000;

/**
 * Announces this host and keeps it announced, also when Consul forgets it, until close(), which takes it out. The first
 * registration must succeed; later failures are logged and tried again.
 */
export async function registerHost(
  consul: ConsulClient,
  host: HostRegistration,
  log?: Logger,
): Promise<{ close(): Promise<void> }> {
  const id = `${HOST_SERVICE}-${host.host}`;
  const labels = Object.entries(host.labels).map(([name, value]) => [`label-${name}`, value]);
  const register = () =>
    announce(consul, {
      name: HOST_SERVICE,
      id,
      ...splitAddress(host.address),
      meta: {
        host: host.host,
        address: host.address,
        runtime: host.runtime,
        cpu: String(host.cpu),
        memory: String(host.memoryBytes),
        gpu: String(host.gpu),
        ...Object.fromEntries(labels),
      },
      check: "agent is alive",
      ttlMs: TTL_MS,
    });
  const keep = async () => {
    if (!(await refresh(consul, id))) await register();
  };
  await register();
  const timer = setInterval(() => {
    keep().catch((err) => log?.warn({ err }, "this host is not refreshed in Consul; it is tried again"));
  }, TTL_MS / 3);
  return {
    async close() {
      clearInterval(timer);
      await withdraw(consul, id);
    },
  };
}

const hostsAnswerSchema = z.array(
  z.object({
    Service: z.object({ Meta: z.record(z.string(), z.string()).nullable() }),
    Checks: z.array(z.object({ Status: z.string() })),
  }),
);
const hostMetaSchema = z.looseObject({
  host: z.string(),
  address: z.string(),
  runtime: z.string(),
  cpu: z.coerce.number(),
  memory: z.coerce.number(),
  gpu: z.coerce.number(),
});

export interface HostsWatch {
  /** Resolves after the first read; rejects on close before it. */
  readonly ready: Promise<void>;
  /** By host name; the last good state while Consul is away. */
  current(): ReadonlyMap<string, HostState>;
  close(): void;
}

/** Follows the hosts that agents announce. */
export function watchHosts(
  consul: ConsulClient,
  options: { onChange?: (hosts: ReadonlyMap<string, HostState>) => void; log?: Logger } = {},
): HostsWatch {
  const closing = new AbortController();
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);
  let hosts: ReadonlyMap<string, HostState> = new Map();
  let first = true;
  void followQuery(
    consul,
    {
      path: `/v1/health/service/${HOST_SERVICE}`,
      onTrouble: (err) =>
        err && options.log?.warn({ err }, "Consul is away: the last known hosts stay in use"),
      onAnswer: (response) => {
        const next = new Map<string, HostState>();
        for (const entry of hostsAnswerSchema.parse(JSON.parse(response.text))) {
          const host = hostOf(
            entry.Service.Meta ?? {},
            entry.Checks.every((check) => check.Status === "passing"),
          );
          if (host !== undefined) next.set(host.host, host);
        }
        if (!first && isDeepStrictEqual(hosts, next)) return;
        first = false;
        hosts = next;
        notify(() => options.onChange?.(hosts));
        ready.resolve();
      },
    },
    closing.signal,
  );
  return {
    ready: ready.promise,
    current: () => hosts,
    close: () => {
      closing.abort();
      ready.reject(new Error("the watch was closed before its first read"));
    },
  };
}

function hostOf(meta: Record<string, string>, healthy: boolean): HostState | undefined {
  const parsed = hostMetaSchema.safeParse(meta);
  if (!parsed.success) return undefined;
  const { host, address, runtime, cpu, memory, gpu } = parsed.data;
  const labels = Object.entries(meta)
    .filter(([name]) => name.startsWith("label-"))
    .map(([name, value]) => [name.slice("label-".length), value] as const);
  return {
    host,
    address,
    runtime,
    cpu,
    memoryBytes: memory,
    gpu,
    labels: Object.fromEntries(labels),
    healthy,
  };
}
