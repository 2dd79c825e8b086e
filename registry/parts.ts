import { hostname } from "node:os";
import type { Logger } from "pino";
import { z } from "zod";
import { keepAnnounced } from "./announce.ts";
import type { ConsulClient } from "./consul.ts";
import { listControlPlanes } from "./control-planes.ts";
import { splitAddress } from "./instances.ts";
import { ORCHESTRATOR_KEY } from "./keys.ts";
import { readLeader } from "./leader.ts";

/** Consul service of every registry. */
const REGISTRY_SERVICE = "rouse-registry";
/** Consul service of every server of orders. */
const ORDERS_SERVICE = "rouse-orders";
/** A part that is silent for this long counts as away; ms. */
const TTL_MS = 12_000;

/** Where the parts of a mesh are that not every host has; "host:port" each. */
export interface MeshParts {
  readonly registry: string;
  readonly registryHttp: string;
  readonly orders: string;
  /** HTTP side of orders. */
  readonly ordersHttp: string;
  /** Control planes, the leader first. */
  readonly control: readonly string[];
}

/** Tells other hosts where orders are served, until close(). */
export function announceOrders(
  consul: ConsulClient,
  addresses: { readonly address: string; readonly httpAddress: string },
  log?: Logger,
): { close(): Promise<void> } {
  const { address, httpAddress } = addresses;
  const meta = { address, http: httpAddress };
  return announcePart(consul, ORDERS_SERVICE, "orders are served", address, meta, log);
}

/** Tells other hosts where a registry is, until close(). */
export function announceRegistry(
  consul: ConsulClient,
  addresses: { readonly address: string; readonly httpAddress: string },
  log?: Logger,
): { close(): Promise<void> } {
  const { address, httpAddress } = addresses;
  const meta = { address, http: httpAddress };
  return announcePart(consul, REGISTRY_SERVICE, "registry is alive", address, meta, log);
}

function announcePart(
  consul: ConsulClient,
  name: string,
  check: string,
  address: string,
  meta: Readonly<Record<string, string>>,
  log?: Logger,
) {
  const id = `${name}-${hostname()}-${splitAddress(address).port}`;
  return keepAnnounced(
    consul,
    { name, id, ...splitAddress(address), meta: { ...meta }, check, ttlMs: TTL_MS },
    log,
  );
}

const answerSchema = z.array(
  z.object({
    Service: z.object({ Meta: z.record(z.string(), z.string()).nullable() }),
  }),
);

/** The parts that there are now; undefined when the registry or every control plane is missing. */
export async function findParts(consul: ConsulClient): Promise<MeshParts | undefined> {
  const [registries, orderServers, controls, leader] = await Promise.all([
    passing(consul, REGISTRY_SERVICE),
    passing(consul, ORDERS_SERVICE),
    listControlPlanes(consul),
    readLeader(consul, ORCHESTRATOR_KEY),
  ]);
  const { address: registry, http: registryHttp } = registries[0]?.Meta ?? {};
  const all = controls.filter(({ healthy }) => healthy).map(({ address }) => address);
  const control = [...new Set([...(leader === undefined ? [] : [leader.address]), ...all])];
  const { address: orders, http: ordersHttp } = orderServers[0]?.Meta ?? {};
  if (!registry || !registryHttp || !orders || !ordersHttp || control.length === 0) return undefined;
  return { registry, registryHttp, orders, ordersHttp, control };
}

/** Where orders are served, "host:port"; undefined: nowhere. */
export async function findOrders(consul: ConsulClient): Promise<string | undefined> {
  const [first] = await passing(consul, ORDERS_SERVICE);
  return first?.Meta?.address;
}

/** Where registries answer, "host:port"; there is one, but while it moves. */
export async function findRegistries(consul: ConsulClient): Promise<string[]> {
  return (await passing(consul, REGISTRY_SERVICE)).flatMap(({ Meta }) => Meta?.address ?? []);
}

async function passing(consul: ConsulClient, service: string) {
  const response = await consul.request("GET", `/v1/health/service/${service}`, { query: { passing: "1" } });
  return answerSchema.parse(JSON.parse(response.text)).map(({ Service }) => Service);
}
