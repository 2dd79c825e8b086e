import { credentials } from "@grpc/grpc-js";
import { MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { State } from "#proto/rouse/registry/v1/registry.ts";
import { unary } from "../../sdk/grpc.ts";
import { liveState } from "../live-state.ts";
import type { MeshState } from "../state.ts";
import type { Family, Labels } from "./family.ts";

type Point = Family["points"][number];

/** How long a scrape waits for the control plane, ms. */
const PATIENCE_MS = 2_000;

/** Versions and instances, as Consul has them. */
export function stateFamilies(state: MeshState): Family[] {
  const versions: Point[] = [];
  const instances = new Map<string, { labels: Labels; value: number }>();
  for (const [service, found] of state.services) {
    for (const [version, shown] of found.versions) {
      const now = liveState(shown).state;
      versions.push({ labels: { service, version, state: wordOf(now) }, value: 1 });
      for (const { host, draining, healthy, standby } of shown.instances) {
        const labels = {
          service,
          version,
          host,
          state: standby ? "standby" : draining ? "draining" : healthy ? "serving" : "unhealthy",
        };
        const key = JSON.stringify(labels);
        instances.set(key, { labels, value: (instances.get(key)?.value ?? 0) + 1 });
      }
    }
  }
  return [
    gauge("rouse_version_state", "1 for the state that a version is in.", versions),
    gauge("rouse_instances", "Instances by version, host and state.", [...instances.values()]),
  ];
}

/** What the control plane says of Envoys, wakes and hosts; `rouse_control_plane_up` is 0 when it says nothing. */
export async function controlFamilies(control: string | undefined): Promise<Family[]> {
  if (control === undefined) return [];
  const options = { "grpc.enable_http_proxy": 0 };
  const mesh = new MeshConfigClient(control, credentials.createInsecure(), options);
  const orchestrator = new OrchestratorClient(control, credentials.createInsecure(), options);
  try {
    const within = { deadlineMs: PATIENCE_MS };
    const [{ envoys }, { wakes }, { hosts, starting, leading }] = await Promise.all([
      unary(mesh, "getStatus", {}, within),
      unary(mesh, "listWakes", { service: "", limit: 500 }, within),
      unary(orchestrator, "getStatus", {}, within),
    ]);
    const types = envoys.flatMap(({ id, types: all }) =>
      all.map((type) => ({ labels: { envoy: id, type: type.type }, type })),
    );
    const held = wakes.filter(({ releasedMs, error }) => releasedMs === 0 && error === "");
    const ofHost = (value: (host: (typeof hosts)[number]) => number) =>
      hosts.map((host) => ({ labels: { host: host.name }, value: value(host) }));
    return [
      gauge("rouse_control_plane_up", "Whether the control plane answers.", [one(1)]),
      gauge("rouse_orchestrator_leading", "Whether this control plane leads.", [one(leading ? 1 : 0)]),
      gauge("rouse_xds_envoys", "Envoys with a stream to the control plane.", [one(envoys.length)]),
      gauge(
        "rouse_xds_resources",
        "Resources that each Envoy holds.",
        types.map(({ labels, type }) => ({ labels, value: type.resources })),
      ),
      counter(
        "rouse_xds_acks",
        "Responses that Envoys accepted, since they connected.",
        types.map(({ labels, type }) => ({ labels, value: type.acks })),
      ),
      counter(
        "rouse_xds_nacks",
        "Responses that Envoys refused, since they connected.",
        types.map(({ labels, type }) => ({ labels, value: type.nacks })),
      ),
      gauge("rouse_wakes_under_way", "Versions for which calls are held now.", [one(held.length)]),
      gauge("rouse_starts_under_way", "Starts that agents work on.", [one(starting)]),
      gauge(
        "rouse_host_cpu_cores",
        "Cores that a host gives away.",
        ofHost(({ cpuTotal }) => cpuTotal),
      ),
      gauge(
        "rouse_host_cpu_used_cores",
        "Cores that a host's instances have declared.",
        ofHost(({ cpuUsed }) => cpuUsed),
      ),
      gauge(
        "rouse_host_memory_bytes",
        "Memory that a host gives away.",
        ofHost(({ memoryTotalBytes }) => memoryTotalBytes),
      ),
      gauge(
        "rouse_host_memory_used_bytes",
        "Memory that a host's instances have declared.",
        ofHost(({ memoryUsedBytes }) => memoryUsedBytes),
      ),
    ];
  } catch {
    return [gauge("rouse_control_plane_up", "Whether the control plane answers.", [one(0)])];
  } finally {
    mesh.close();
    orchestrator.close();
  }
}

export function gauge(name: string, help: string, points: readonly Point[]): Family {
  return { name, help, type: "gauge", points };
}

export function counter(name: string, help: string, points: readonly Point[]): Family {
  return { name, help, type: "counter", points };
}

export function one(value: number): Point {
  return { labels: {}, value };
}

function wordOf(state: State): string {
  return state === State.UNSPECIFIED ? "unknown" : state.replace("STATE_", "").toLowerCase();
}
