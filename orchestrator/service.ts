import type { Server } from "@grpc/grpc-js";
import {
  type GetStatusResponse,
  type OrchestratorServer,
  OrchestratorService,
  type StartVersionRequest,
  type StartVersionResponse,
  type StopVersionRequest,
  type StopVersionResponse,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { barredError } from "../registry/approval.ts";
import type { ConsulClient } from "../registry/consul.ts";
import type { VersionState } from "../registry/state.ts";
import { versionKey } from "../registry/target.ts";
import { answer, statusObject } from "../sdk/answer.ts";
import { RouseError } from "../sdk/errors.ts";
import { steadyMs } from "../sdk/steady.ts";
import { activate } from "./activate.ts";
import { stopInstance } from "./execute.ts";
import { explainPlacement } from "./explain.ts";
import type { HealthKeeper } from "./health/keeper.ts";
import { setHostMode } from "./hosts/mode.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { nextGeneration } from "./plan.ts";
import { servingInstance } from "./serving.ts";

/** Adds the service rouse.orchestrator.v1.Orchestrator to a server. */
export function addOrchestratorService(
  server: Server,
  orchestrator: Orchestrator,
  consul: ConsulClient,
  health: HealthKeeper,
): void {
  const handlers: OrchestratorServer = {
    activate: (stream) => activate(orchestrator, stream),
    startVersion: answer((request) => startVersion(orchestrator, request)),
    stopVersion: answer((request) => stopVersion(orchestrator, request)),
    getStatus: answer(() => getStatus(orchestrator)),
    explainPlacement: answer(async (request) => explainPlacement(orchestrator, health, request)),
    setHostMode: answer((request) => setHostMode(orchestrator, consul, request)),
    watchDecisions: (call) => {
      try {
        orchestrator.requireLeading();
        orchestrator.decisions.serve(call);
      } catch (thrown) {
        call.emit("error", statusObject(thrown));
      }
    },
  };
  server.addService(OrchestratorService, handlers);
}

async function startVersion(
  orchestrator: Orchestrator,
  { service, version }: StartVersionRequest,
): Promise<StartVersionResponse> {
  orchestrator.requireLeading();
  const state = knownVersion(orchestrator, service, version);
  if (state.barred === true) throw barredError(service, version, state.approval);
  const { activation } = state;
  let { generation } = activation;
  if (activation.stopped !== undefined || activation.failure !== undefined) {
    const written = await orchestrator.mesh.updateActivation(service, version, (now) => {
      const { stopped: _stopped, failures: _failures, ...next } = nextGeneration(now);
      return next;
    });
    orchestrator.overlay.setActivation(service, version, written, steadyMs());
    generation = written.generation;
  } else {
    const serving = servingInstance(orchestrator, { service, version, generation });
    if (serving !== undefined)
      return { instanceId: serving.id, host: serving.host, address: serving.address };
  }
  const target = { service, version, generation };
  orchestrator.demand.wantOwn(target, steadyMs());
  const ended = orchestrator.outcome(target);
  orchestrator.evaluate(service, version);
  const outcome = await ended;
  if ("error" in outcome) throw outcome.error;
  if (outcome.ready.kind?.$case !== "ready")
    throw new RouseError("INTERNAL", "A start ended without an instance.");
  const { instanceId, host, address } = outcome.ready.kind.value;
  return { instanceId, host, address };
}

async function stopVersion(
  orchestrator: Orchestrator,
  { service, version, reason }: StopVersionRequest,
): Promise<StopVersionResponse> {
  const token = orchestrator.requireLeading();
  if (reason.trim() === "") {
    throw new RouseError("INVALID_ARGUMENT", "A stop needs a reason; callers are told it.", {
      reason: "STOP_REASON_MISSING",
    });
  }
  const state = knownVersion(orchestrator, service, version);
  const activation = await orchestrator.mesh.updateActivation(service, version, (now) => ({
    ...nextGeneration(now),
    stopped: { reason, atMs: Date.now() },
  }));
  orchestrator.overlay.setActivation(service, version, activation, steadyMs());
  const stopped = new Set(state.instances.map(({ id }) => id));
  for (const start of orchestrator.starts.all()) {
    if (versionKey(start.target) !== versionKey({ service, version })) continue;
    stopped.add(start.instanceId);
    // A start under way serves nobody any more: its callers were told the reason.
    if (start.servingSinceMs !== undefined) continue;
    void stopInstance(orchestrator, start.instanceId, start.host, state, `stopped: ${reason}`, token);
  }
  orchestrator.evaluate(service, version);
  return { stoppedInstances: stopped.size };
}

async function getStatus(orchestrator: Orchestrator): Promise<GetStatusResponse> {
  const { mesh, starts } = orchestrator;
  const hosts = mesh.hosts();
  const counts = new Map<string, number>();
  for (const { versions } of mesh.current().services.values()) {
    for (const { instances } of versions.values()) {
      for (const { host } of instances) counts.set(host, (counts.get(host) ?? 0) + 1);
    }
  }
  const placeable = new Map(orchestrator.placer.hosts().map((host) => [host.name, host]));
  return {
    id: orchestrator.id,
    leading: orchestrator.token !== undefined,
    fencingToken: orchestrator.token ?? 0,
    starting: [...starts.all()].filter(({ servingSinceMs }) => servingSinceMs === undefined).length,
    controlPlanes: (mesh.controlPlanes?.() ?? []).map((plane) => ({
      ...plane,
      leading: plane.address === mesh.leader?.(),
    })),
    hosts: hosts.map((host) => ({
      name: host.host,
      address: host.address,
      runtime: host.runtime,
      cpuTotal: host.cpu,
      cpuUsed: placeable.get(host.host)?.used.cpu ?? 0,
      memoryTotalBytes: host.memoryBytes,
      memoryUsedBytes: placeable.get(host.host)?.used.memory ?? 0,
      instances: counts.get(host.host) ?? 0,
    })),
  };
}

function knownVersion(orchestrator: Orchestrator, service: string, version: string): VersionState {
  const { services } = orchestrator.mesh.current();
  const known = services.get(service);
  if (known === undefined) {
    throw new RouseError(
      "NOT_FOUND",
      `No service ${service} is registered; "rouse services" lists those there are.`,
      {
        reason: "SERVICE_UNKNOWN",
      },
    );
  }
  const state = known.versions.get(version);
  if (state === undefined) {
    const versions = [...known.versions.keys()].join(", ");
    throw new RouseError("NOT_FOUND", `${service} has no version ${version}; it has ${versions}.`, {
      reason: "VERSION_UNKNOWN",
    });
  }
  return state;
}
