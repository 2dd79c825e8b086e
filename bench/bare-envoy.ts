import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { findTool } from "../setup/tools.ts";

const HCM =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** Envoy with nothing but a static route to one gRPC server: what Rouse is compared with. */
export async function startBareEnvoy(upstream: string): Promise<{ address: string } & AsyncDisposable> {
  const port = await freePort();
  const adminPort = await freePort();
  const config = {
    admin: { address: socketAddress("127.0.0.1", adminPort) },
    static_resources: {
      listeners: [
        {
          name: "bare",
          address: socketAddress("127.0.0.1", port),
          filter_chains: [{ filters: [{ name: "http", typed_config: connectionManager() }] }],
        },
      ],
      clusters: [upstreamCluster(upstream)],
    },
  };
  const args = ["--config-yaml", JSON.stringify(config), "--use-dynamic-base-id", "-l", "error"];
  const envoy = spawn(findTool("envoy"), args, { stdio: ["ignore", "ignore", "inherit"] });
  const exited = once(envoy, "exit");
  while ((await fetch(`http://127.0.0.1:${adminPort}/ready`).catch(() => undefined))?.status !== 200) {
    if (envoy.exitCode !== null) throw new Error(`Envoy ended with ${envoy.exitCode}`);
    await sleep(50);
  }
  return {
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      envoy.kill();
      await exited;
    },
  };
}

function connectionManager() {
  return {
    "@type": HCM,
    stat_prefix: "bare",
    http_filters: [{ name: "router", typed_config: { "@type": ROUTER } }],
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/" }, route: { cluster: "upstream", timeout: "0s" } }],
        },
      ],
    },
  };
}

function upstreamCluster(upstream: string) {
  const [host = "", port = ""] = upstream.split(":");
  const endpoint = { address: socketAddress(host, Number(port)) };
  return {
    name: "upstream",
    type: "STATIC",
    load_assignment: { cluster_name: "upstream", endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    typed_extension_protocol_options: {
      [OPTIONS]: {
        "@type": `type.googleapis.com/${OPTIONS}`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}

function socketAddress(address: string, port: number) {
  return { socket_address: { address, port_value: port } };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
