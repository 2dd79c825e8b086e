import type { Server } from "@grpc/grpc-js";
import {
  type Condition,
  type HealthServer,
  HealthService,
  type ListHealthResponse,
} from "#proto/rouse/orchestrator/v1/health.ts";
import type { HealthRecord } from "../../registry/health-record.ts";
import { answer } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import { steadyMs } from "../../sdk/steady.ts";
import type { Orchestrator } from "../orchestrator.ts";
import type { OrchestratorHealth } from "./health.ts";

/** Adds the service rouse.orchestrator.v1.Health to a server. */
export function addHealthService(
  server: Server,
  orchestrator: Orchestrator,
  health: OrchestratorHealth,
): void {
  const handlers: HealthServer = {
    listHealth: answer(async () =>
      orchestrator.token === undefined ? written(orchestrator) : known(health),
    ),
    releaseQuarantine: answer(async ({ instanceId, host }) => {
      orchestrator.requireLeading();
      const released =
        instanceId !== ""
          ? health.instances.release(instanceId, steadyMs())
          : host !== "" && (await health.hosts.release(host));
      if (!released) throw nothingHeld(instanceId, host);
      return {};
    }),
  };
  server.addService(HealthService, handlers);
}

function known({ instances, hosts, outcomes }: OrchestratorHealth): ListHealthResponse {
  const faults = new Map([...outcomes.blame(steadyMs()).versions, ...instances.faults]);
  return sorted({
    instances: instances.list().map(({ id, known: { service, version, host, record } }) => ({
      instanceId: id,
      service,
      version,
      host,
      condition: toApi(record),
    })),
    faults: [...faults].map(([key, reason]) => fault(key, reason)),
    hosts: [...hosts.list()].map(([host, record]) => ({ host, condition: toApi(record) })),
  });
}

/** As Consul has it. */
function written({ mesh }: Orchestrator): ListHealthResponse {
  const response: ListHealthResponse = { instances: [], faults: [], hosts: [] };
  for (const [service, { versions }] of mesh.current().services) {
    for (const [version, { health, instances }] of versions) {
      for (const { id, host } of instances) {
        const record = health?.instances[id];
        if (record !== undefined)
          response.instances.push({ instanceId: id, service, version, host, condition: toApi(record) });
      }
      if (health?.fault !== undefined) response.faults.push({ service, version, reason: health.fault });
    }
  }
  for (const { host, health } of mesh.hosts())
    if (health !== undefined) response.hosts.push({ host, condition: toApi(health) });
  return sorted(response);
}

function sorted({ instances, faults, hosts }: ListHealthResponse): ListHealthResponse {
  return {
    instances: instances.sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1)),
    faults: faults.sort((a, b) => (a.service + a.version < b.service + b.version ? -1 : 1)),
    hosts: hosts.sort((a, b) => (a.host < b.host ? -1 : 1)),
  };
}

function fault(key: string, reason: string) {
  const cut = key.lastIndexOf("@");
  return { service: key.slice(0, cut), version: key.slice(cut + 1), reason };
}

/** A record as the API has it. */
export function toApi({ condition, reason, sinceMs, untilMs = 0, strikes }: HealthRecord): Condition {
  return { name: condition, reason, sinceMs: Math.round(sinceMs), untilMs: Math.round(untilMs), strikes };
}

function nothingHeld(instanceId: string, host: string): RouseError {
  const what = instanceId !== "" ? `instance ${instanceId}` : host !== "" ? `host ${host}` : "nothing";
  return new RouseError(
    "NOT_FOUND",
    `Nothing is held against ${what}: "rouse quarantine" lists what is not well.`,
    { reason: "NOT_QUARANTINED" },
  );
}
