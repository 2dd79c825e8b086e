import type { Logger } from "pino";
import type { ConsulClient } from "./consul.ts";

/** A Consul service with one TTL check. */
export interface Announcement {
  readonly name: string;
  readonly id: string;
  readonly tags?: readonly string[];
  /** Empty for a unix socket. */
  readonly hostname: string;
  readonly port: number;
  readonly meta?: Readonly<Record<string, string>>;
  /** What the check says, for people. */
  readonly check: string;
  /** Without a refresh for this long the check is critical; ms. */
  readonly ttlMs: number;
  readonly healthy?: boolean;
}

/** A service whose check stays critical for this long Consul forgets. */
const FORGET_AFTER = "60m";

/** Id of the check of an announced service. */
export const checkId = (serviceId: string) => `service:${serviceId}`;

/**
 * Registers a service with this Consul agent, replacing what was registered under its id.
 *
 * The check's status is set once more after that: Consul keeps over its own restart only a status that came by an update, and
 * begins with critical otherwise (measured with 1.22; loadChecks in agent/agent.go).
 */
export async function announce(consul: ConsulClient, service: Announcement): Promise<void> {
  const healthy = service.healthy ?? true;
  const body = {
    Name: service.name,
    ID: service.id,
    Tags: service.tags ?? [],
    Address: service.hostname,
    Port: service.port,
    Meta: service.meta ?? {},
    Check: {
      CheckID: checkId(service.id),
      Name: service.check,
      TTL: `${service.ttlMs}ms`,
      Status: healthy ? "passing" : "critical",
      DeregisterCriticalServiceAfter: FORGET_AFTER,
    },
  };
  const query = { "replace-existing-checks": "true" };
  await consul.request("PUT", "/v1/agent/service/register", { query, body: JSON.stringify(body) });
  await refresh(consul, service.id, healthy);
}

/**
 * Refreshes the check of an announced service.
 *
 * @returns false when Consul does not know it (any more): announce it again.
 */
export async function refresh(
  consul: ConsulClient,
  id: string,
  healthy = true,
  note = "",
  timeoutMs = 15_000,
): Promise<boolean> {
  const path = `/v1/agent/check/update/${encodeURIComponent(checkId(id))}`;
  const body = JSON.stringify({ Status: healthy ? "passing" : "critical", Output: note });
  const response = await consul.request("PUT", path, { body, accept: [404], timeoutMs });
  return response.status !== 404;
}

/**
 * Announces a service and keeps it announced, also when Consul is away at first or forgets it, until close(), which takes it out.
 *
 * @param alongside Writes what else is to be known then; tried again when it fails.
 */
export function keepAnnounced(
  consul: ConsulClient,
  service: Announcement,
  log?: Logger,
  alongside: () => Promise<unknown> = async () => undefined,
): { close(): Promise<void> } {
  let closed = false;
  let working: Promise<void> = Promise.resolve();
  let announced = false;
  let written = false;
  const keep = async () => {
    if (closed) return;
    try {
      if (!announced || !(await refresh(consul, service.id))) {
        await announce(consul, service);
        written = false;
      }
      announced = true;
      if (!written) await alongside();
      written = true;
    } catch (err) {
      log?.debug({ err, service: service.name }, "not refreshed in Consul; it is tried again");
    }
  };
  const timer = setInterval(() => {
    working = working.then(keep);
  }, service.ttlMs / 4);
  working = keep();
  return {
    async close() {
      closed = true;
      clearInterval(timer);
      await working;
      if (announced) await withdraw(consul, service.id).catch(() => undefined);
    },
  };
}

/** Takes a service out of Consul; one that is not there is no error. */
export async function withdraw(consul: ConsulClient, id: string): Promise<void> {
  await consul.request("PUT", `/v1/agent/service/deregister/${encodeURIComponent(id)}`, { accept: [404] });
}
