import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findTool } from "../setup/tools.ts";
import { envoyBootstrap } from "./bootstrap.ts";
import { encodeJson, type JsonObject } from "./proto/json.ts";
import { messageType } from "./proto/root.ts";
import { meshResources } from "./resources/mesh.ts";
import type { MeshSettings } from "./resources/settings.ts";
import { instance, manifest, TestMesh, version } from "./testing/state.ts";
import { SnapshotBuilder } from "./xds/snapshot.ts";

/*
 * The mapping from the mesh's state to Envoy's resources, as files that people read in a review:
 * GOLDEN_UPDATE=1 writes them anew. Each is accepted by Envoy itself.
 */

const folder = join(import.meta.dirname, "golden");
const plain: MeshSettings = {
  edge: "127.0.0.1:8080",
  mesh: "127.0.0.1:8081",
  meshSocket: "/run/rouse/mesh.sock",
  registry: "127.0.0.1:8071",
  registryHttp: "127.0.0.1:8070",
  ordersHttp: "127.0.0.1:8075",
  json: true,
};
const genome = "genome.v1.GenomeService";

interface Scene {
  readonly settings: MeshSettings;
  readonly fill: (mesh: TestMesh) => void;
}

const scenes: Record<string, Scene> = {
  empty: { settings: { ...plain, tracing: { samplingRatio: 0 } }, fill: () => undefined },
  "cold-and-warm": {
    settings: plain,
    fill: (mesh) => {
      mesh.put(version(manifest(genome, "1.0.0", { startTimeoutMs: 30_000 })));
      mesh.put(
        version(manifest(genome, "1.2.0"), { generation: 3 }, [
          instance("b", 3, "127.0.0.1:4712"),
          instance("a", 3, "unix:/run/rouse/a.sock"),
          { ...instance("sick", 3, "127.0.0.1:4713"), healthy: false },
          { ...instance("leaving", 3, "127.0.0.1:4714"), draining: true },
        ]),
      );
      mesh.put(
        version(
          manifest("audit.v1.Audit", "0.3.1", { exposure: "internal", loadBalancing: "least_request" }),
        ),
      );
    },
  },
  tags: {
    settings: plain,
    fill: (mesh) => {
      for (const number of ["1.0.0", "2.0.0", "2.1.0-beta.2"]) mesh.put(version(manifest(genome, number)));
      mesh.tag(genome, "release", { "1.0.0": 90, "2.0.0": 10 });
      mesh.tag(genome, "dev", { "2.1.0-beta.2": 100 });
      mesh.tag(genome, "gone", { "0.9.0": 100 });
    },
  },
  "failed-stopped-draining": {
    settings: plain,
    fill: (mesh) => {
      const failure = {
        status: "RESOURCE_EXHAUSTED",
        message: "no host has 5 GiB; 100% are taken",
        retryAtMs: 7,
      };
      mesh.put(version(manifest(genome, "1.0.0"), { generation: 2, failure }));
      mesh.put(
        version(manifest(genome, "2.0.0"), { generation: 1, stopped: { reason: "it is moved.", atMs: 5 } }),
      );
      mesh.put(version(manifest(genome, "3.0.0"), { generation: 5 }, [instance("old", 4, "127.0.0.1:4711")]));
    },
  },
  // Released: the one that runs. Of those which await approval, only the exact version says so.
  approvals: {
    settings: plain,
    fill: (mesh) => {
      mesh.put(version(manifest(genome, "1.0.0")));
      mesh.put({ ...version(manifest(genome, "1.1.0")), approval: "pending" });
      mesh.put({ ...version(manifest(genome, "1.2.0")), approval: "pending", barred: true });
      mesh.put({ ...version(manifest(genome, "2.0.0")), approval: "denied", barred: true });
      mesh.tag(genome, "beta", { "1.0.0": 90, "1.2.0": 10 });
      mesh.tag(genome, "dev", { "1.2.0": 1 });
    },
  },
  balancing: {
    settings: plain,
    fill: (mesh) => {
      const zones = [
        { ...instance("a", 1, "127.0.0.1:1"), zone: "a", speed: 2, startedAtMs: 2_000 },
        { ...instance("b", 1, "127.0.0.1:2"), zone: "b", startedAtMs: 1_000 },
        { ...instance("c", 1, "127.0.0.1:3"), zone: "b", startedAtMs: 3_000 },
      ];
      const balancing = { slowStartMs: 30_000 };
      for (const loadBalancing of ["none", "locality_weighted", "zone_aware", "client"] as const) {
        const settings = loadBalancing === "none" ? { loadBalancing } : { loadBalancing, balancing };
        mesh.put(
          version(manifest(`balanced.v1.By_${loadBalancing}`, "1.0.0", settings), { generation: 1 }, zones),
        );
      }
    },
  },
  "sessions-origins-traces": {
    settings: {
      edge: plain.edge,
      mesh: plain.mesh,
      corsOrigins: ["https://genome.example"],
      tracing: { samplingRatio: 0.1 },
    },
    fill: (mesh) => mesh.put(version(manifest(genome, "1.0.0", { sessionKey: "x-session" }))),
  },
};

function golden({ settings, fill }: Scene) {
  const mesh = new TestMesh();
  fill(mesh);
  const { listeners, routes, clusters, endpoints } = meshResources(mesh.state, settings);
  const list = (map: ReadonlyMap<string, JsonObject>) => [...map.values()];
  return {
    state: mesh.state,
    json: {
      listeners: list(listeners),
      routes: list(routes),
      clusters: list(clusters),
      endpoints: list(endpoints),
    },
  };
}

test.each(Object.entries(scenes))("%s is as it was", (name, scene) => {
  const file = join(folder, `${name}.json`);
  const text = `${JSON.stringify(golden(scene).json, undefined, 1)}\n`;
  if (process.env.GOLDEN_UPDATE) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text);
  }
  expect(existsSync(file), `${file} is missing: run with GOLDEN_UPDATE=1`).toBe(true);
  expect(JSON.parse(text)).toEqual(JSON.parse(readFileSync(file, "utf8")));
});

test.each(Object.keys(scenes))("Envoy accepts %s", (name) => {
  const temporary = mkdtempSync(join(tmpdir(), "rouse-golden-"));
  try {
    const file = join(temporary, "envoy.json");
    const resources = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
    writeFileSync(file, JSON.stringify(staticBootstrap(resources)));
    const run = spawnSync(findTool("envoy"), ["--mode", "validate", "-c", file, "-l", "warn"], {
      encoding: "utf8",
    });
    expect(run.stdout + run.stderr).toContain("OK");
    expect(run.status).toBe(0);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
});

test.each(Object.entries(scenes))("the control plane sends %s as it is", (_, scene) => {
  const { state, json } = golden(scene);
  const { resources } = new SnapshotBuilder(scene.settings).build(state, new Map());
  const names = (list: readonly JsonObject[]) => list.map(({ name, cluster_name }) => name ?? cluster_name);
  expect([...resources.cluster.keys()]).toEqual(names(json.clusters));
  expect([...resources.endpoint.keys()]).toEqual(names(json.endpoints));
  expect([...resources.listener.keys()]).toEqual(names(json.listeners));
  const type = messageType("envoy.config.route.v3.RouteConfiguration");
  for (const table of json.routes) {
    // Put together from parts, it is the same message.
    const sent = decodeResource(resources.route.get(table.name as string)?.bytes ?? new Uint8Array());
    const whole = encodeJson("envoy.config.route.v3.RouteConfiguration", table);
    const plain = (bytes: Uint8Array) => type.toObject(type.decode(bytes), { bytes: String });
    expect(JSON.stringify(plain(sent))).toBe(JSON.stringify(plain(whole)));
  }
});

/** The value inside of a discovery Resource. */
function decodeResource(bytes: Uint8Array): Uint8Array {
  const { resource } = messageType("envoy.service.discovery.v3.Resource").decode(bytes) as unknown as {
    resource: { value: Uint8Array };
  };
  return resource.value;
}

type Loose = { [field: string]: Loose & string & Loose[] };

/** Everything in the file itself: routes in their listeners, endpoints in their clusters. */
function staticBootstrap({ listeners, routes, clusters, endpoints }: Record<string, Loose[]>) {
  const bootstrap = envoyBootstrap({
    nodeId: "golden",
    controlPlane: ["127.0.0.1:1"],
    admin: "127.0.0.1:0",
    collector: "127.0.0.1:2",
    zone: "a",
  }) as unknown as {
    dynamic_resources: Loose;
    static_resources: { clusters: unknown[]; listeners: unknown[] };
  };
  const { ads_config } = bootstrap.dynamic_resources;
  const inline = (listener: Loose) => {
    const text = JSON.stringify(listener);
    const name = /"rds":\{"route_config_name":"(\w+)"/.exec(text)?.[1];
    const route = JSON.stringify(routes?.find((table) => table.name === name));
    return JSON.parse(text.replace(/"rds":\{.*?\}\}/, () => `"route_config":${route}`));
  };
  return {
    ...bootstrap,
    dynamic_resources: { ads_config },
    static_resources: {
      listeners: [...bootstrap.static_resources.listeners, ...(listeners ?? []).map(inline)],
      clusters: [
        ...bootstrap.static_resources.clusters,
        ...(clusters ?? []).map(({ eds_cluster_config, ...cluster }) =>
          eds_cluster_config === undefined
            ? cluster
            : {
                ...cluster,
                type: "STATIC",
                load_assignment: endpoints?.find((list) => list.cluster_name === cluster.name),
              },
        ),
      ],
    },
  };
}
