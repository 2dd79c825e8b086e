import { z } from "zod";
import { RouseError } from "../sdk/errors.ts";
import { type Announcement, announce, checkId, refresh, withdraw } from "./announce.ts";
import { followQuery } from "./blocking.ts";
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
  /** How it shares its work (workersText of workers.ts). Default: unknown. */
  readonly workers?: string;
}

/** Without a refresh for this long Consul takes an instance for unhealthy: an agent may be away that long. ms. */
const TTL_MS = 600_000;

/**
 * Announces an instance, or changes what was announced (generation, draining, health): the whole registration is replaced.
 * Watches see it about 4 ms later.
 */
export async function registerInstance(consul: ConsulClient, instance: InstanceRegistration): Promise<void> {
  await announce(consul, announcementOf(instance));
}

function announcementOf(instance: InstanceRegistration): Announcement {
  const labels = Object.entries(instance.labels ?? {}).map(([name, value]) => [`label-${name}`, value]);
  return {
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
  };
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

const heldServiceSchema = z.object({
  ID: z.string(),
  Service: z.string(),
  Tags: z.array(z.string()).nullable(),
  Meta: z.record(z.string(), z.string()).nullable(),
});
const agentServicesSchema = z.record(z.string(), heldServiceSchema);
const listedServicesSchema = z.object({ Services: z.array(heldServiceSchema).nullable() }).nullable();

/** An instance as Consul has it. One that Rouse cannot read has version "" and generation 0. */
export interface HeldInstance {
  readonly id: string;
  readonly service: string;
  readonly version: string;
  readonly generation: number;
  readonly address: string;
  readonly draining: boolean;
  readonly retiring: boolean;
  /** 0: not on standby. */
  readonly standbySinceMs: number;
}

/** Whether Consul has an instance as it is. */
export function holds(held: HeldInstance | undefined, wanted: InstanceRegistration): boolean {
  return (
    held !== undefined &&
    held.generation === wanted.generation &&
    held.address === wanted.address &&
    held.draining === (wanted.draining ?? false) &&
    held.retiring === (wanted.retiring ?? false) &&
    held.standbySinceMs === (wanted.standby?.sinceMs ?? 0)
  );
}

/**
 * What this Consul agent holds of one host's instances, for anti-entropy: deregister what is not running, register what is
 * missing or different.
 */
export async function listOwnInstances(consul: ConsulClient, host: string): Promise<HeldInstance[]> {
  const response = await consul.request("GET", "/v1/agent/services");
  return heldBy(host, Object.values(agentServicesSchema.parse(JSON.parse(response.text))));
}

/**
 * Follows what Consul's catalog, which is what all others see, has of one host's instances. The host's Consul agent makes it equal to
 * what it holds itself; but after a snapshot was put back that takes it a minute or two (78 s seen with 1.22).
 */
export async function followListedInstances(
  consul: ConsulClient,
  node: string,
  host: string,
  onChange: (listed: readonly HeldInstance[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const path = `/v1/catalog/node-services/${encodeURIComponent(node)}`;
  const onAnswer = ({ text }: { text: string }) =>
    onChange(heldBy(host, listedServicesSchema.parse(JSON.parse(text))?.Services ?? []));
  await followQuery(consul, { path, onAnswer }, signal);
}

/** Name by which the catalog knows this Consul agent. */
export async function nodeOf(consul: ConsulClient): Promise<string> {
  const { text } = await consul.request("GET", "/v1/agent/self");
  return z.object({ Config: z.object({ NodeName: z.string() }) }).parse(JSON.parse(text)).Config.NodeName;
}

/** Writes an instance into the catalog itself, past the Consul agent, which takes it for listed. */
export async function listInstance(
  consul: ConsulClient,
  node: string,
  instance: InstanceRegistration,
): Promise<void> {
  const { id, name, tags, hostname, port, meta, check, healthy } = announcementOf(instance);
  const body = {
    Node: node,
    SkipNodeUpdate: true,
    Service: { ID: id, Service: name, Tags: tags, Address: hostname, Port: port, Meta: meta },
    Check: {
      Node: node,
      CheckID: checkId(id),
      Name: check,
      ServiceID: id,
      Status: healthy === false ? "critical" : "passing",
    },
  };
  await consul.request("PUT", "/v1/catalog/register", { body: JSON.stringify(body) });
}

/** Takes an instance out of the catalog itself. */
export async function unlistInstance(consul: ConsulClient, node: string, id: string): Promise<void> {
  const body = JSON.stringify({ Node: node, ServiceID: id });
  await consul.request("PUT", "/v1/catalog/deregister", { body });
}

type HeldService = z.infer<typeof heldServiceSchema>;

function heldBy(host: string, services: readonly HeldService[]): HeldInstance[] {
  return services
    .filter(({ Tags, Meta }) => Tags?.includes(INSTANCE_TAG) === true && Meta?.host === host)
    .map(({ ID, Service, Meta }) => ({
      id: ID,
      service: Service,
      version: Meta?.version ?? "",
      generation: Number(Meta?.generation ?? 0) || 0,
      address: Meta?.address ?? "",
      draining: Meta?.draining === "true",
      retiring: Meta?.retiring === "true",
      standbySinceMs: Number(Meta?.["standby-since"] ?? 0) || 0,
    }));
}

const nodeAnswerSchema = z.array(
  z.object({
    Node: z.string(),
    ServiceMeta: z.record(z.string(), z.string()).nullable(),
  }),
);
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
  const { Services } = listedServicesSchema.parse(JSON.parse(answer.text)) ?? {};
  for (const { id } of heldBy(host, Services ?? [])) await unlistInstance(consul, node, id);
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
