import { hostname } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { dataFolder } from "../connect.ts";
import { collect } from "../flags.ts";
import { addHealthFlags, type HealthFlags } from "../health-flags.ts";
import { parseAddress, parseShare, traceSamplingHelp } from "../up/options.ts";

interface ControlPlaneFlags extends HealthFlags {
  id: string;
  host: string;
  replaces?: string;
  listen: string;
  consul: string;
  data?: string;
  edge: string;
  mesh: string;
  meshSocket?: string;
  registry?: string;
  registryHttp?: string;
  orders?: string;
  ordersHttp?: string;
  corsOrigin: string[];
  traceSampling?: number;
  otlp?: string;
}

/** `rouse control-plane`: the xDS server of this host's Envoys, and an orchestrator. */
export function addControlPlane(program: Command): void {
  const command = program
    .command("control-plane")
    .description("serve Envoys by xDS, and stand for election as the orchestrator")
    .option("--id <name>", "name of this control plane, stable over restarts", `control-${hostname()}`)
    .option("--host <name>", "name of this host in the mesh", hostname())
    .option("--replaces <id>", "the control plane in whose place this one runs; agents give it")
    .option("--listen <host:port>", "where Envoys and the command line reach it", "127.0.0.1:8072")
    .option("--consul <host:port>", "Consul, which holds the mesh's state", "127.0.0.1:8500")
    .option("--data <folder>", "the mesh's data folder (also ROUSE_DATA)")
    .option("--edge <host:port>", "Envoy's listener for the world", parseAddress, "127.0.0.1:8080")
    .option(
      "--mesh <host:port>",
      "Envoy's listener for calls between services",
      parseAddress,
      "127.0.0.1:8081",
    )
    .option("--mesh-socket <path>", "the same on a unix socket (default: run/mesh.sock of the data folder)")
    .option("--registry <host:port>", "the registry, to be called through Envoy as well", parseAddress)
    .option(
      "--registry-http <host:port>",
      "the registry's HTTP side, for the edge: site, MCP, OpenAPI",
      parseAddress,
    )
    .option("--orders <host:port>", "the server of orders, to be called through Envoy", parseAddress)
    .option("--orders-http <host:port>", "its HTTP side, for contents of artifacts", parseAddress)
    .option(
      "--cors-origin <origin>",
      "web origin that may call the edge; repeatable (default: any)",
      collect,
      [],
    )
    .option("--trace-sampling <share>", traceSamplingHelp, parseShare)
    .option("--otlp <host:port>", "where traces go by OTLP/gRPC: the registry, or a collector", parseAddress);
  addHealthFlags(command).action(async (flags: ControlPlaneFlags) => {
    // Read once, when the tracing modules are loaded.
    if (flags.otlp !== undefined) process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://${flags.otlp}`;
    const { runControlPlane } = await import("../control-plane.ts");
    await runControlPlane({
      health: flags,
      id: flags.id,
      host: flags.host,
      ...(flags.replaces === undefined ? {} : { replaces: flags.replaces }),
      listen: flags.listen,
      consul: flags.consul,
      dataDir: dataFolder(flags.data),
      settings: {
        edge: flags.edge,
        mesh: flags.mesh,
        meshSocket: flags.meshSocket ?? join(dataFolder(flags.data), "run", "mesh.sock"),
        json: true,
        ...(flags.registry === undefined ? {} : { registry: flags.registry }),
        ...(flags.orders === undefined ? {} : { orders: flags.orders }),
        ...(flags.ordersHttp === undefined ? {} : { ordersHttp: flags.ordersHttp }),
        ...(flags.registryHttp === undefined ? {} : { registryHttp: flags.registryHttp }),
        ...(flags.corsOrigin.length === 0 ? {} : { corsOrigins: flags.corsOrigin }),
        ...(flags.otlp === undefined ? {} : { tracing: { samplingRatio: flags.traceSampling ?? 0 } }),
      },
    });
  });
}
