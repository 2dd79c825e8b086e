import { z } from "zod";
import { RouseError } from "../sdk/errors.ts";
import { announce, refresh, withdraw } from "./announce.ts";
import type { ConsulClient } from "./consul.ts";
import { INSTANCE_TAG } from "./instance-record.ts";

/** An instance as its agent announces it. */
export interface InstanceRegistration {
  readonly id: string;
  readonly service: string;
  readonly version: string;
  readonly generation: number;
  readonly host: string;
  readonly runtime: string;
  /** "127.0.0.1:4711" or "unix:/path". */
  readonly address: string;
  /** Cores. */
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly gpu: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** No new calls; default false. */
  readonly draining?: boolean;
  /** It drains for good: it is to be stopped. Default false. */
  readonly retiring?: boolean;
  /** It is frozen: since when, and when a call last used it, ms since 1970. */
  readonly standby?: { readonly sinceMs: number; readonly lastUsedMs: number };
  /** Default true. */
  readonly healthy?: boolean;
  /** Of its host. Default "". */
  readonly zone?: string;
  /** Of its host. Default 1. */
  readonly speed?: number;
  /** When it was started, ms since 1970. */
  readonly startedAtMs?: number;
  /** Why its host was chosen, in one line of at most 512 bytes. */
  readonly placed?: string;
  /** How it shares its work (workersText of workers.ts). Default "". */
  readonly workers?: string;
}

/** Without a refresh for this long Consul takes an instance for unhealthy: an agent may be away that long. ms. */
const TTL_MS = 600_000;

/**
 * Announces an instance, or changes what was announced (generation, draining, health): the whole registration is replaced.
 * Watches see it about 4 ms later.
 */
export async function registerInstance(consul: ConsulClient, instance: InstanceRegistration): Promise<void> {
  const labels = Object.entries(instance.labels ?? {}).map(([name, value]) => [`label-${name}`, value]);
  await announce(consul, {
    name: instance.service,
    id: instance.id,
    tags: [INSTANCE_TAG, `version=${instance.version}`],
    ...splitAddress(instance.address),
    meta: {
      version: instance.version,
      generation: String(instance.generation),
      host: instance.host,
      runtime: instance.runtime,
      cpu: String(instance.cpu),
      memory: String(instance.memoryBytes),
      gpu: String(instance.gpu),
      address: instance.address,
      draining: String(instance.draining ?? false),
      ...(instance.retiring === true && { retiring: "true" }),
      ...(instance.zone && { zone: instance.zone }),
      ...(instance.speed !== undefined && instance.speed !== 1 && { speed: String(instance.speed) }),
      ...(instance.placed && { placed: instance.placed }),
      ...(instance.workers && { workers: instance.workers }),
      ...(instance.startedAtMs !== undefined && { started: String(instance.startedAtMs) }),
      ...(instance.standby !== undefined && {
        standby: "true",
        "standby-since": String(instance.standby.sinceMs),
        "last-used": String(instance.standby.lastUsedMs),
      }),
      ...Object.fromEntries(labels),
    },
    check: "agent says it serves",
    ttlMs: TTL_MS,
    healthy: instance.healthy ?? true,
  });
}

/**
 * Refreshes the check of an instance; call it each minute, and at once when its health changes.
 *
 * @param note - Why, shown in Consul.
 * @returns false when Consul does not know the instance (any more): register it again.
 */
export function setInstanceHealth(
  consul: ConsulClient,
  id: string,
  healthy: boolean,
  note = "",
): Promise<boolean> {
  return refresh(consul, id, healthy, note);
}

/** Takes an instance out of Consul; one that is not there is no error. */
export function deregisterInstance(consul: ConsulClient, id: string): Promise<void> {
  return withdraw(consul, id);
}

const agentServicesSchema = z.record(
  z.string(),
  z.object({
    ID: z.string(),
    Service: z.string(),
    Tags: z.array(z.string()),
    Meta: z.record(z.string(), z.string()),
  }),
);

/**
 * What this Consul agent holds of one host's instances, for anti-entropy: deregister what is not running, register what is
 * missing or different.
 *
 * @returns id, service, version and generation of each; entries that Rouse cannot read have version "" and generation 0.
 */
export async function listOwnInstances(
  consul: ConsulClient,
  host: string,
): Promise<
  {
    id: string;
    service: string;
    version: string;
    generation: number;
    address: string;
    draining: boolean;
    retiring: boolean;
    /** 0: not on standby. */
    standbySinceMs: number;
  }[]
> {
  const response = await consul.request("GET", "/v1/agent/services");
  return Object.values(agentServicesSchema.parse(JSON.parse(response.text)))
    .filter((service) => service.Tags.includes(INSTANCE_TAG) && service.Meta.host === host)
    .map((service) => ({
      id: service.ID,
      service: service.Service,
      version: service.Meta.version ?? "",
      generation: Number(service.Meta.generation ?? 0) || 0,
      address: service.Meta.address ?? "",
      draining: service.Meta.draining === "true",
      retiring: service.Meta.retiring === "true",
      standbySinceMs: Number(service.Meta["standby-since"] ?? 0) || 0,
    }));
}

const nodeAnswerSchema = z.array(
  z.object({
    Node: z.string(),
    ServiceMeta: z.record(z.string(), z.string()).nullable(),
  }),
);
const nodeServicesSchema = z.object({
  Services: z
    .array(
      z.object({
        ID: z.string(),
        Tags: z.array(z.string()).nullable(),
        Meta: z.record(z.string(), z.string()).nullable(),
      }),
    )
    .nullable(),
});

/**
 * Takes a dead host's instances out of Consul's catalog, as its own agent cannot. When it is back its Consul announces them again,
 * as long as they run.
 */
export async function forgetInstances(consul: ConsulClient, host: string): Promise<void> {
  const agents = await consul.request("GET", "/v1/catalog/service/rouse-agent");
  const found = nodeAnswerSchema
    .parse(JSON.parse(agents.text))
    .find(({ ServiceMeta }) => ServiceMeta?.host === host);
  if (found === undefined) return;
  const node = found.Node;
  const answer = await consul.request("GET", `/v1/catalog/node-services/${encodeURIComponent(node)}`);
  for (const { ID, Tags, Meta } of nodeServicesSchema.parse(JSON.parse(answer.text)).Services ?? []) {
    if (Tags?.includes(INSTANCE_TAG) !== true || Meta?.host !== host) continue;
    const body = JSON.stringify({ Node: node, ServiceID: ID });
    await consul.request("PUT", "/v1/catalog/deregister", { body });
  }
}

/** Splits "host:port"; a unix socket has neither. */
export function splitAddress(address: string): { hostname: string; port: number } {
  if (address.startsWith("unix:")) return { hostname: "", port: 0 };
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `"${address}" is no address. Give host:port, such as 127.0.0.1:4711, or unix:/path.`,
      { reason: "ADDRESS_INVALID" },
    );
  }
  return { hostname: address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), port };
}
