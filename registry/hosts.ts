import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { z } from "zod";
import { announce, refresh, withdraw } from "./announce.ts";
import { followQuery, notify } from "./blocking.ts";
import type { ConsulClient } from "./consul.ts";
import type { HealthRecord } from "./health-record.ts";
import {
  ACTIVE,
  type HostLoss,
  type HostModeState,
  type HostRecord,
  parseHostRecord,
} from "./host-record.ts";
import { NODE_CHECK } from "./instance-record.ts";
import { splitAddress } from "./instances.ts";
import { HOSTS_PREFIX } from "./keys.ts";
import { kvListSchema, kvPath } from "./kv.ts";

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
  /** Where it stands, such as "eu-1a": hosts of one zone may fail together. Default "". */
  readonly zone?: string;
  /** What it costs per hour, in a currency of the operator's choice. Default 0. */
  readonly costPerHour?: number;
  /** How fast one of its cores is; 1 is usual. Default 1. */
  readonly speed?: number;
}

export interface HostState extends Required<HostRegistration> {
  /** It can be given work, whatever its mode: the agent refreshed its check in time, its machine answers, and it is not lost. */
  readonly healthy: boolean;
  /** Its machine answers, by Consul's gossip; false: dead or cut off. An agent that restarts does not change it. */
  readonly reachable: boolean;
  /** What people want of it. */
  readonly mode: HostModeState;
  /** Set from the time it was declared dead until its agent has stopped what was replaced elsewhere. */
  readonly lost?: HostLoss;
  /** Set while it is not well, or was not lately. */
  readonly health?: HealthRecord;
}

/** Whether nobody will answer there. @param host undefined: it is not known any more. */
export function isGone(host: HostState | undefined): boolean {
  return host === undefined || !host.reachable || host.lost !== undefined;
}

/** An agent that is silent for this long counts as away; ms. */
const TTL_MS = 6_000;

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
        zone: host.zone ?? "",
        cost: String(host.costPerHour ?? 0),
        speed: String(host.speed ?? 1),
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
    Checks: z.array(z.object({ CheckID: z.string(), Status: z.string() })),
  }),
);
const hostMetaSchema = z.looseObject({
  host: z.string(),
  address: z.string(),
  runtime: z.string(),
  cpu: z.coerce.number(),
  memory: z.coerce.number(),
  gpu: z.coerce.number(),
  zone: z.string().default(""),
  cost: z.coerce.number().default(0),
  speed: z.coerce.number().default(1),
});

/** The agents that answer now. Any Consul server may say so, one that has lost its leader as well. */
export async function listAgents(
  consul: ConsulClient,
): Promise<{ readonly host: string; readonly address: string }[]> {
  const query = { passing: "1", stale: "" };
  const response = await consul.request("GET", `/v1/health/service/${HOST_SERVICE}`, { query });
  return hostsAnswerSchema.parse(JSON.parse(response.text)).flatMap((entry) => hostOf(entry));
}

export interface HostsWatch {
  /** Resolves after the first read; rejects on close before it. */
  readonly ready: Promise<void>;
  /** By host name; the last good state while Consul is away. */
  current(): ReadonlyMap<string, HostState>;
  close(): void;
}

type Announced = Omit<HostState, "mode" | "lost" | "health">;

/** Follows the hosts that agents announce, and their records. */
export function watchHosts(
  consul: ConsulClient,
  options: { onChange?: (hosts: ReadonlyMap<string, HostState>) => void; log?: Logger } = {},
): HostsWatch {
  const closing = new AbortController();
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);
  let announced: ReadonlyMap<string, Announced> | undefined;
  let records: ReadonlyMap<string, HostRecord> | undefined;
  let hosts: ReadonlyMap<string, HostState> = new Map();
  let first = true;
  const join = () => {
    if (announced === undefined || records === undefined) return;
    const next = new Map<string, HostState>();
    for (const [name, host] of announced) next.set(name, withRecord(host, records.get(name)));
    if (!first && isDeepStrictEqual(hosts, next)) return;
    first = false;
    hosts = next;
    notify(() => options.onChange?.(hosts));
    ready.resolve();
  };
  void followQuery(
    consul,
    {
      path: `/v1/health/service/${HOST_SERVICE}`,
      onTrouble: (err) =>
        err && options.log?.warn({ err }, "Consul is away: the last known hosts stay in use"),
      onAnswer: (response) => {
        const found = hostsAnswerSchema.parse(JSON.parse(response.text)).flatMap((entry) => hostOf(entry));
        announced = new Map(found.map((host) => [host.host, host]));
        join();
      },
    },
    closing.signal,
  );
  void followQuery(
    consul,
    {
      path: kvPath(HOSTS_PREFIX),
      query: { recurse: "" },
      accept: [404],
      onAnswer: (response) => {
        const before = records;
        const next = new Map<string, HostRecord>();
        for (const item of response.status === 404 ? [] : kvListSchema.parse(JSON.parse(response.text))) {
          const host = item.Key.slice(HOSTS_PREFIX.length);
          try {
            next.set(host, parseHostRecord(item));
          } catch (err) {
            options.log?.error(
              { err, key: item.Key },
              "Consul holds what Rouse cannot read: the last good value stays",
            );
            const known = before?.get(host);
            if (known !== undefined) next.set(host, known);
          }
        }
        records = next;
        join();
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

function withRecord(host: Announced, { mode = ACTIVE, lost, health }: HostRecord = {}): HostState {
  const known = health === undefined ? { ...host, mode } : { ...host, mode, health };
  return lost === undefined ? known : { ...known, healthy: false, lost };
}

function hostOf(entry: z.infer<typeof hostsAnswerSchema>[number]): Announced[] {
  const meta = entry.Service.Meta ?? {};
  const parsed = hostMetaSchema.safeParse(meta);
  if (!parsed.success) return [];
  const { host, address, runtime, cpu, memory, gpu, zone, cost, speed } = parsed.data;
  const labels = Object.entries(meta)
    .filter(([name]) => name.startsWith("label-"))
    .map(([name, value]) => [name.slice("label-".length), value] as const);
  const fails = entry.Checks.filter(({ Status }) => Status !== "passing");
  return [
    {
      host,
      address,
      runtime,
      cpu,
      memoryBytes: memory,
      gpu,
      labels: Object.fromEntries(labels),
      zone,
      costPerHour: cost,
      speed,
      healthy: fails.length === 0,
      reachable: !fails.some(({ CheckID }) => CheckID === NODE_CHECK),
    },
  ];
}
