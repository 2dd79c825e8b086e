import { hostname } from "node:os";
import type { Logger } from "pino";
import { z } from "zod";
import { keepAnnounced } from "./announce.ts";
import type { ConsulClient } from "./consul.ts";
import { listControlPlanes } from "./control-planes.ts";
import { splitAddress } from "./instances.ts";
import { ORCHESTRATOR_KEY, partKey } from "./keys.ts";
import { decodeValue, readKey, writeKey } from "./kv.ts";
import { readLeader } from "./leader.ts";

/** Consul services of those that run. */
const SERVICES = { registry: "rouse-registry", orders: "rouse-orders" } as const;
/** A part that is silent for this long counts as away; ms. */
const TTL_MS = 12_000;

/** Where the parts of a mesh are that not every host has; "host:port" each. */
export interface MeshParts {
  readonly registry: string;
  readonly registryHttp: string;
  readonly orders: string;
  /** HTTP side of orders. */
  readonly ordersHttp: string;
  /** Control planes, the leader first; there may be none now. */
  readonly control: readonly string[];
  /** Which of them do not answer: this is where they were last. */
  readonly away: readonly Part[];
}

export type Part = "registry" | "orders";

interface Addresses {
  readonly address: string;
  readonly httpAddress: string;
}

/** Tells other hosts where orders are served, until close(). */
export function announceOrders(
  consul: ConsulClient,
  addresses: Addresses,
  log?: Logger,
): { close(): Promise<void> } {
  return announcePart(consul, "orders", "orders are served", addresses, log);
}

/** Tells other hosts where a registry is, until close(). */
export function announceRegistry(
  consul: ConsulClient,
  addresses: Addresses,
  log?: Logger,
): { close(): Promise<void> } {
  return announcePart(consul, "registry", "registry is alive", addresses, log);
}

function announcePart(
  consul: ConsulClient,
  part: Part,
  check: string,
  { address, httpAddress }: Addresses,
  log?: Logger,
) {
  const name = SERVICES[part];
  const id = `${name}-${hostname()}-${splitAddress(address).port}`;
  const meta = { address, http: httpAddress };
  return keepAnnounced(consul, { name, id, ...splitAddress(address), meta, check, ttlMs: TTL_MS }, log, () =>
    writeKey(consul, partKey(part), JSON.stringify(meta)),
  );
}

const addressSchema = z.object({ address: z.string().min(1), http: z.string().min(1) });
const answerSchema = z.array(
  z.object({
    Service: z.object({ Meta: z.record(z.string(), z.string()).nullable() }),
  }),
);

/** The parts that there are now, or were last; undefined when nobody has ever announced a registry, or orders. */
export async function findParts(consul: ConsulClient): Promise<MeshParts | undefined> {
  const [registry, orders, controls, leader] = await Promise.all([
    findPart(consul, "registry"),
    findPart(consul, "orders"),
    listControlPlanes(consul),
    readLeader(consul, ORCHESTRATOR_KEY),
  ]);
  if (registry === undefined || orders === undefined) return undefined;
  const all = controls.filter(({ healthy }) => healthy).map(({ address }) => address);
  return {
    registry: registry.address,
    registryHttp: registry.http,
    orders: orders.address,
    ordersHttp: orders.http,
    control: [...new Set([...(leader === undefined ? [] : [leader.address]), ...all])],
    away: [...(registry.away ? ["registry" as const] : []), ...(orders.away ? ["orders" as const] : [])],
  };
}

async function findPart(consul: ConsulClient, part: Part) {
  const [now] = (await passing(consul, SERVICES[part])).flatMap(({ Meta }) => {
    const parsed = addressSchema.safeParse(Meta);
    return parsed.success ? [parsed.data] : [];
  });
  if (now !== undefined) return { ...now, away: false };
  const item = await readKey(consul, partKey(part));
  if (item === undefined) return undefined;
  return { ...addressSchema.parse(JSON.parse(decodeValue(item).toString("utf8"))), away: true };
}

/** Where orders are served, "host:port"; undefined: nowhere. */
export async function findOrders(consul: ConsulClient): Promise<string | undefined> {
  const [first] = await passing(consul, SERVICES.orders);
  return first?.Meta?.address;
}

/** Where registries answer, "host:port"; there is one, but while it moves. */
export async function findRegistries(consul: ConsulClient): Promise<string[]> {
  return (await passing(consul, SERVICES.registry)).flatMap(({ Meta }) => Meta?.address ?? []);
}

async function passing(consul: ConsulClient, service: string) {
  const response = await consul.request("GET", `/v1/health/service/${service}`, { query: { passing: "1" } });
  return answerSchema.parse(JSON.parse(response.text)).map(({ Service }) => Service);
}
