import type { ConsulClient } from "../../registry/consul.ts";
import { findOrders } from "../../registry/parts.ts";
import { RouseError } from "../../sdk/errors.ts";

/** So long an answer of Consul is taken for true, ms. */
const KNOWN_MS = 2_000;
const known = new WeakMap<ConsulClient, { readonly address: string; readonly untilMs: number }>();

/**
 * Where the artifacts of jobs are, "host:port".
 *
 * @throws RouseError UNAVAILABLE ORDERS_MISSING.
 */
export async function whereOrdersAre(consul: ConsulClient): Promise<string> {
  const last = known.get(consul);
  if (last !== undefined && last.untilMs > performance.now()) return last.address;
  const address = await findOrders(consul).catch(() => last?.address);
  if (address === undefined)
    throw new RouseError(
      "UNAVAILABLE",
      'Nobody serves orders, which keep the artifacts of jobs. "rouse up" does, or "rouse orders".',
      { reason: "ORDERS_MISSING" },
    );
  known.set(consul, { address, untilMs: performance.now() + KNOWN_MS });
  return address;
}
