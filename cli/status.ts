import { join } from "node:path";
import { AgentClient, type GetStatusResponse as AgentStatus } from "#proto/rouse/agent/v1/agent.ts";
import { type Envoy, type JsonGap, MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { HealthClient, type ListHealthResponse } from "#proto/rouse/orchestrator/v1/health.ts";
import {
  OrchestratorClient,
  type GetStatusResponse as OrchestratorStatus,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { RegistryClient, type Service, State } from "#proto/rouse/registry/v1/registry.ts";
import { age } from "../sdk/age.ts";
import { unary } from "../sdk/grpc.ts";
import { type Mesh, noMesh, withClient } from "./connect.ts";
import { explain } from "./explain.ts";
import { healthLines } from "./quarantine.ts";
import { table } from "./table.ts";
import { readChildren } from "./up/record.ts";
import { shortState } from "./version-state.ts";

/** What a part of the mesh says, or why it does not. */
type Answer<T> = T | { readonly error: string };

export interface MeshStatus {
  readonly mesh: Mesh;
  readonly processes: readonly { readonly name: string; readonly pid: number; readonly ready: boolean }[];
  readonly agent: Answer<AgentStatus>;
  readonly orchestrator: Answer<OrchestratorStatus>;
  readonly envoys: Answer<readonly Envoy[]>;
  /** What is external and yet cannot be called in JSON. */
  readonly jsonGaps: readonly JsonGap[];
  readonly services: Answer<readonly Service[]>;
  /** What is not well. */
  readonly health: Answer<ListHealthResponse>;
}

/**
 * Asks every part of the mesh; one that does not answer leaves the others their say.
 *
 * @throws RouseError UNAVAILABLE NO_MESH when none answers.
 */
export async function meshStatus(mesh: Mesh): Promise<MeshStatus> {
  const asked = Promise.all([
    answer(withClient(AgentClient, mesh.agent, (client) => unary(client, "getStatus", {}))),
    answer(withClient(OrchestratorClient, mesh.control, (client) => unary(client, "getStatus", {}))),
    answer(withClient(MeshConfigClient, mesh.control, (client) => unary(client, "getStatus", {}))),
    answer(
      withClient(
        RegistryClient,
        mesh.registry,
        async (client) => (await unary(client, "listServices", { service: "" })).services,
      ),
    ),
    answer(withClient(HealthClient, mesh.control, (client) => unary(client, "listHealth", {}))),
  ]);
  const [agent, orchestrator, meshConfig, services, health] = await asked;
  const envoys = "error" in meshConfig ? meshConfig : meshConfig.envoys;
  const jsonGaps = "error" in meshConfig ? [] : meshConfig.jsonGaps;
  if ([agent, orchestrator, envoys, services].every((part) => "error" in part))
    throw noMesh(mesh.control, undefined);
  const processes = readChildren(join(mesh.data, "children.json")).map(({ name, pid, ready }) => ({
    name,
    pid,
    ready,
  }));
  return { mesh, processes, agent, orchestrator, envoys, jsonGaps, services, health };
}

/** The same for people. */
export function statusLines(status: MeshStatus): string[] {
  const { mesh, processes, agent, orchestrator, envoys, jsonGaps, services, health } = status;
  const unwell = "error" in health ? [`health: ${health.error}`] : healthLines(health, Date.now());
  return [
    `edge ${mesh.edge} · Consul http://${mesh.consul}/ui · data ${mesh.data}`,
    "",
    ...table(
      ["PROCESS", "PID", ""],
      processes.map(({ name, pid, ready }) => [name, String(pid), ready ? "ready" : "starting"]),
    ),
    "",
    ...("error" in orchestrator
      ? [`orchestrator: ${orchestrator.error}`]
      : [...controlPlaneLines(orchestrator, envoys), "", ...orchestratorLines(orchestrator)]),
    ...("error" in agent ? [`agent: ${agent.error}`] : agentLines(agent)),
    "",
    ...("error" in envoys ? [`mesh-config: ${envoys.error}`] : envoyLines(envoys)),
    ...jsonGaps.map(({ service, version, reason }) => `no JSON: ${service} ${version}: ${reason}`),
    "",
    ...("error" in services ? [`registry: ${services.error}`] : serviceLines(services)),
    ...(unwell.length === 0 ? [] : ["", ...unwell]),
  ];
}

function controlPlaneLines({ controlPlanes }: OrchestratorStatus, envoys: MeshStatus["envoys"]): string[] {
  const nobody = controlPlanes.some(({ leading }) => leading)
    ? []
    : ["no orchestrator leads: nothing cold starts"];
  const rows = controlPlanes.map(({ id, slot, host, healthy, leading, startedAtMs }) => [
    id === slot ? id : `${id} (stands in)`,
    host,
    !healthy ? "SILENT" : leading ? "leads" : "follows",
    "error" in envoys ? "?" : String(envoys.filter(({ controlPlane }) => controlPlane === id).length),
    startedAtMs === 0 ? "" : age(Date.now() - startedAtMs),
  ]);
  return [...table(["CONTROL PLANE", "HOST", "", "ENVOYS", "AGE"], rows), ...nobody];
}

function orchestratorLines({ id, leading, fencingToken, starting, hosts }: OrchestratorStatus): string[] {
  const rows = hosts.map((host) => [
    host.name,
    host.runtime,
    `${round(host.cpuTotal - host.cpuUsed)} of ${round(host.cpuTotal)}`,
    `${mebibytes(host.memoryTotalBytes - host.memoryUsedBytes)} of ${mebibytes(host.memoryTotalBytes)} MiB`,
    String(host.instances),
  ]);
  return [
    ...(leading ? [`orchestrator ${id} leads (token ${fencingToken}), ${starting} starting`, ""] : []),
    ...(rows.length === 0
      ? ["no host: no agent has registered in Consul"]
      : table(["HOST", "RUNTIME", "FREE CORES", "FREE MEMORY", "INSTANCES"], rows)),
  ];
}

function agentLines(status: AgentStatus): string[] {
  const { runtime, runtimeReason, precreated, standby, standbyMemoryBytes, unenforced, warnings } = status;
  return [
    `this host runs instances in the ${runtime} runtime${runtimeReason === "" ? "" : `: ${runtimeReason}`}`,
    ...(precreated > 0 ? [`${precreated} containers stand ready`] : []),
    ...(standby > 0
      ? [
          `${standby} on standby: no CPU, ${mebibytes(standbyMemoryBytes)} MiB that others get when they need it`,
        ]
      : []),
    ...unenforced.map((what) => `not enforced here: ${what}`),
    ...warnings.map((what) => `note: ${what}`),
  ];
}

function envoyLines(envoys: readonly Envoy[]): string[] {
  if (envoys.length === 0) return ["no Envoy is connected"];
  const rows = envoys.flatMap(({ id, version, types }) =>
    types.map((type, index) => [
      index === 0 ? `${id} ${version}` : "",
      type.type,
      String(type.resources),
      String(type.acks),
      String(type.nacks),
      type.nack === "" ? "accepted" : `REFUSED: ${type.nack}`,
    ]),
  );
  return table(["ENVOY", "TYPE", "RESOURCES", "ACKS", "NACKS", ""], rows);
}

function serviceLines(services: readonly Service[]): string[] {
  const all = services.flatMap(({ name, versions }) => versions.map((version) => ({ name, version })));
  const awake = all.filter(({ version }) => version.state !== State.COLD);
  const cold = `${all.length - awake.length} of ${all.length} versions are cold`;
  if (awake.length === 0) return [cold];
  const rows = awake.map(({ name, version }) => [
    name,
    version.version,
    shortState(version),
    String(version.instances.filter(({ standby }) => !standby).length),
    version.reason,
  ]);
  return [...table(["SERVICE", "VERSION", "STATE", "RUNS", ""], rows), cold];
}

async function answer<T>(asked: Promise<T>): Promise<Answer<T>> {
  try {
    return await asked;
  } catch (error) {
    return { error: explain(error) };
  }
}

function round(cores: number): string {
  return String(Number(cores.toFixed(2)));
}

function mebibytes(bytes: number): string {
  return Math.floor(bytes / 2 ** 20).toLocaleString("en");
}
