import { hostname } from "node:os";
import type { Logger } from "pino";
import { z } from "zod";
import { keepAnnounced } from "./announce.ts";
import type { ConsulClient } from "./consul.ts";
import { splitAddress } from "./instances.ts";
import { ORCHESTRATOR_KEY } from "./keys.ts";
import { readLeader } from "./leader.ts";

/** Consul service of every registry. */
const REGISTRY_SERVICE = "rouse-registry";
/** Consul service of every control plane: those that stand for election (leader.ts). */
const CONTROL_SERVICE = "rouse-orchestrator";
/** A registry that is silent for this long counts as away; ms. */
const TTL_MS = 12_000;

/** Where the parts of a mesh are that not every host has; "host:port" each. */
export interface MeshParts {
  readonly registry: string;
  readonly registryHttp: string;
  /** Control planes, the leader first. */
  readonly control: readonly string[];
}

/** Tells other hosts where a registry is, until close(). */
export function announceRegistry(
  consul: ConsulClient,
  addresses: { readonly address: string; readonly httpAddress: string },
  log?: Logger,
): { close(): Promise<void> } {
  const { address, httpAddress } = addresses;
  return keepAnnounced(
    consul,
    {
      name: REGISTRY_SERVICE,
      id: `${REGISTRY_SERVICE}-${hostname()}-${splitAddress(address).port}`,
      ...splitAddress(address),
      meta: { address, http: httpAddress },
      check: "registry is alive",
      ttlMs: TTL_MS,
    },
    log,
  );
}

const answerSchema = z.array(
  z.object({
    Service: z.object({
      Address: z.string(),
      Port: z.number(),
      Meta: z.record(z.string(), z.string()).nullable(),
    }),
  }),
);

/** The parts that there are now; undefined when the registry or every control plane is missing. */
export async function findParts(consul: ConsulClient): Promise<MeshParts | undefined> {
  const [registries, controls, leader] = await Promise.all([
    passing(consul, REGISTRY_SERVICE),
    passing(consul, CONTROL_SERVICE),
    readLeader(consul, ORCHESTRATOR_KEY),
  ]);
  const { address: registry, http: registryHttp } = registries[0]?.Meta ?? {};
  const all = controls.map(({ Address, Port }) => `${Address}:${Port}`);
  const control = [...new Set([...(leader === undefined ? [] : [leader.address]), ...all])];
  if (registry === undefined || registryHttp === undefined || control.length === 0) return undefined;
  return { registry, registryHttp, control };
}

async function passing(consul: ConsulClient, service: string) {
  const response = await consul.request("GET", `/v1/health/service/${service}`, { query: { passing: "1" } });
  return answerSchema.parse(JSON.parse(response.text)).map(({ Service }) => Service);
}
