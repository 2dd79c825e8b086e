import { encodeJson, type JsonObject } from "../../mesh-config/proto/json.ts";
import { versionResources } from "../../mesh-config/resources/mesh.ts";
import { noExtras } from "../../mesh-config/resources/plan.ts";
import type { MeshSettings } from "../../mesh-config/resources/settings.ts";
import type { InstanceState, MeshState, ServiceState, VersionManifest } from "../../registry/state.ts";

/** A mesh of so many services, each with one warm version of one instance. */
export function largeMesh(services: number): MeshState {
  return { services: new Map(Array.from({ length: services }, (_, n) => [serviceName(n), service(n, 0)])) };
}

/** The same mesh after the instance of one service moved to another port. */
export function withMovedInstance(state: MeshState, n: number, move: number): MeshState {
  return { services: new Map(state.services).set(serviceName(n), service(n, move)) };
}

export function serviceName(n: number): string {
  return `bench.n${n}.v1.SampleService`;
}

function service(n: number, move: number): ServiceState {
  const manifest: VersionManifest = {
    schema: "rouse.manifest/v1",
    service: serviceName(n),
    version: "1.0.0",
    summary: "",
    description: "",
    owner: "bench",
    exposure: "internal",
    resources: { cpu: 0.1, memory: 64 * 2 ** 20, gpu: 0, labels: {} },
    startTimeoutMs: 10_000,
    idleTimeoutMs: 60_000,
    targetConcurrency: 100,
    minInstances: 0,
    maxInstances: 4,
    sessionKey: "",
    loadBalancing: "round_robin",
    methods: [],
  };
  const instance: InstanceState = {
    id: `bench-${n}`,
    generation: 1,
    host: "h1",
    runtime: "process",
    address: `10.0.${(n >> 8) & 255}.${n & 255}:${20_000 + (move % 30_000)}`,
    healthy: true,
    draining: false,
  };
  const version = {
    manifest,
    deployment: {
      artifact: { kind: "bundle" as const, digest: "sha256:0" },
      env: {},
      mounts: [],
      registeredAtMs: 0,
    },
    activation: { generation: 1 },
    instances: [instance],
  };
  return { versions: new Map([["1.0.0", version]]), tags: new Map() };
}

export const settings: MeshSettings = { edge: "127.0.0.1:1", mesh: "127.0.0.1:1" };

/** Name of a service's cluster and of its list of endpoints. */
export function clusterOf(n: number): string {
  return `${serviceName(n)}@1.0.0#1`;
}

/** What is served of one service, each line "cluster|endpoint NAME BASE64": for a server of another make. */
export function linesOf(state: MeshState, n: number): string[] {
  const version = state.services.get(serviceName(n))?.versions.get("1.0.0");
  if (version === undefined) throw new RangeError(`the mesh has no service ${n}`);
  const { clusters, endpoints } = versionResources(serviceName(n), version, noExtras, settings);
  const line = (kind: string, type: string) => (entry: readonly [string, JsonObject]) =>
    `${kind} ${entry[0]} ${Buffer.from(encodeJson(type, entry[1])).toString("base64")}`;
  return [
    ...[...clusters].map(line("cluster", "envoy.config.cluster.v3.Cluster")),
    ...[...endpoints].map(line("endpoint", "envoy.config.endpoint.v3.ClusterLoadAssignment")),
  ];
}
