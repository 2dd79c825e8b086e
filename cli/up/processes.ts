import { join } from "node:path";
import { artifactArguments } from "../artifact-flags.ts";
import { buildArguments } from "../build-flags.ts";
import type { Mesh } from "../connect.ts";
import { healthArguments } from "../health-flags.ts";
import { hostArguments } from "../host-flags.ts";
import type { ChildSpec } from "./child.ts";
import type { UpOptions } from "./options.ts";
import { accepts } from "./ready.ts";

const rouse = join(import.meta.dirname, "..", "bin", "rouse.mjs");

/** A control plane of this host. */
export interface ControlChild {
  readonly id: string;
  /** Flags that are good on any host. */
  readonly flags: readonly string[];
  readonly spec: ChildSpec;
}

/** The mesh's own servers, in the order of their start after Consul; Envoy comes last. */
export function meshServers(
  mesh: Mesh,
  options: UpOptions,
  bind: string,
): Record<"registry" | "agent" | "orders", ChildSpec> {
  const common = ["--consul", mesh.consul, "--data", mesh.data];
  const otlp = options.otlp === undefined ? [] : ["--otlp", options.otlp];
  // Envoy passes spans and counts on: a container has no other way to what listens on the host.
  const instanceOtlp = ["--otlp", `unix:${mesh.meshSocket}`];
  const { traceSampling } = options;
  const sampling = traceSampling === undefined ? [] : ["--trace-sampling", String(traceSampling)];
  const open = options.openRegistration ? ["--open-registration"] : [];
  return {
    registry: server(
      "registry",
      mesh.registry,
      [
        ...common,
        "--http",
        mesh.registryHttp,
        "--control",
        mesh.control,
        "--edge",
        mesh.edge,
        ...otlp,
        ...open,
        ...buildArguments(options),
      ],
      3_000,
    ),
    orders: server(
      "orders",
      mesh.orders,
      [
        ...common,
        "--mesh",
        mesh.mesh,
        "--http",
        mesh.ordersHttp,
        ...(options.database === undefined ? [] : ["--database", options.database]),
        ...(options.guardWork ? ["--guard-work"] : []),
        ...artifactArguments(options),
      ],
      25_000,
    ),
    agent: {
      ...server(
        "agent",
        mesh.agent,
        [
          ...common,
          "--registry",
          mesh.registry,
          "--runtime",
          options.runtime,
          ...instanceOtlp,
          "--bind",
          bind,
          ...sampling,
          ...hostArguments(options),
        ],
        20_000,
      ),
      // SIGTERM would leave the instances for the next agent; this stops them first.
      stopSignal: "SIGUSR2",
    },
  };
}

/**
 * The control planes of this host.
 *
 * @param addresses "host:port" at which each listens.
 */
export function controlPlanes(mesh: Mesh, options: UpOptions, addresses: readonly string[]): ControlChild[] {
  const { host, listenHost, traceSampling } = options;
  const flags = [
    "--edge",
    `${listenHost}:${port(mesh.edge)}`,
    "--mesh",
    mesh.mesh,
    "--mesh-socket",
    mesh.meshSocket,
    "--registry",
    mesh.registry,
    "--registry-http",
    mesh.registryHttp,
    "--orders",
    mesh.orders,
    "--orders-http",
    mesh.ordersHttp,
    ...(traceSampling === undefined ? [] : ["--trace-sampling", String(traceSampling)]),
    "--otlp",
    mesh.registry,
    ...healthArguments(options),
  ];
  return addresses.map((address, index) => {
    const suffix = index === 0 ? "" : `-${index + 1}`;
    const id = `control-${host}${suffix}`;
    const args = ["--consul", mesh.consul, "--data", mesh.data, "--id", id, "--host", host, ...flags];
    return {
      id,
      flags,
      spec: { ...server("control-plane", address, args, 3_000), name: `control-plane${suffix}` },
    };
  });
}

function server(verb: string, address: string, args: readonly string[], graceMs: number): ChildSpec {
  return {
    name: verb,
    file: process.execPath,
    args: [rouse, ...(verb === "orders" ? ["orders", "serve"] : [verb]), "--listen", address, ...args],
    ours: true,
    graceMs,
    ready: accepts(address),
  };
}

function port(address: string): string {
  return address.slice(address.lastIndexOf(":") + 1);
}
