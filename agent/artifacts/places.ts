import { BundleRing } from "../../registry/bundle-ring.ts";
import type { ConsulClient } from "../../registry/consul.ts";
import { listAgents } from "../../registry/hosts.ts";
import { findRegistries } from "../../registry/parts.ts";

/** Where a bundle may be, beside the registry that the agent was started with; "host:port" each, the likeliest first. */
export interface BundlePlaces {
  readonly registries: readonly string[];
  readonly agents: readonly string[];
}

/** The places that answer now, as far as Consul knows. @param host This one, which does not ask itself. */
export async function bundlePlaces(
  consul: ConsulClient,
  host: string,
  digest: string,
): Promise<BundlePlaces> {
  const [registries, agents] = await Promise.all([findRegistries(consul), listAgents(consul)]);
  const addresses = new Map(agents.map((agent) => [agent.host, agent.address]));
  addresses.delete(host);
  const ring = new BundleRing(addresses.keys());
  return { registries, agents: [...ring.hostsFor(digest)].map((name) => addresses.get(name) ?? "") };
}
