import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { findTool } from "../../setup/tools.ts";
import type { ChildSpec } from "./child.ts";
import { GOSSIP_PORT, LOOPBACK, type Network, RAFT_PORT } from "./network.ts";
import { freePorts, isFree } from "./ports.ts";
import { answers } from "./ready.ts";

const inner = z.object({ server: z.number().int(), serfLan: z.number().int() });

/**
 * Gossip that finds a dead host out within seconds: a probe each half second, and two seconds in which the suspected may object
 * (suspicion_mult × max(1, log10(hosts)) × probe_interval, memberlist's suspicion.go; Consul's defaults take about twice that).
 * https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file/gossip
 */
const GOSSIP = {
  probe_interval: "500ms",
  probe_timeout: "250ms",
  suspicion_mult: 4,
  gossip_interval: "100ms",
};

/**
 * This host's Consul: for a mesh of one host a single server with everything on 127.0.0.1; else a server or a client that gossips
 * with the other hosts, and serves this host on 127.0.0.1.
 *
 * @param address "host:port" of the HTTP API.
 * @param folder where it keeps its data.
 */
export async function consulChild(
  address: string,
  folder: string,
  host: string,
  network: Network | undefined,
): Promise<ChildSpec> {
  mkdirSync(folder, { recursive: true });
  const { server, serfLan } =
    network === undefined
      ? await innerPorts(join(folder, "ports.json"))
      : { server: RAFT_PORT, serfLan: GOSSIP_PORT };
  const config = join(folder, "consul.json");
  const isFirst = network === undefined || network.join.length === 0;
  writeFileSync(
    config,
    JSON.stringify({
      ...(network?.server === false
        ? { server: false }
        : { server: true, ...(isFirst ? { bootstrap_expect: 1 } : {}) }),
      // A name of our own: the data must stay good when the machine is renamed.
      node_name: network === undefined ? "rouse" : host.replaceAll(/[^A-Za-z0-9-]/g, "-"),
      bind_addr: network?.bind ?? LOOPBACK,
      ...(isFirst ? {} : { retry_join: network.join, retry_interval: "1s" }),
      gossip_lan: GOSSIP,
      // A server that is silent would leave the catalog otherwise, and its host with it; and a new one votes at once.
      autopilot: { cleanup_dead_servers: false, server_stabilization_time: "1s" },
      client_addr: "127.0.0.1",
      ui_config: { enabled: true },
      log_level: "warn",
      disable_update_check: true,
      leave_on_terminate: false,
      skip_leave_on_interrupt: true,
      connect: { enabled: false },
      performance: { raft_multiplier: 1 },
      // The mesh's processes hold one blocking query per prefix each; the default is 200 for one address.
      limits: { http_max_conns_per_client: 4_000 },
      ports: {
        http: Number(address.split(":")[1]),
        server,
        serf_lan: serfLan,
        serf_wan: -1,
        dns: -1,
        grpc: -1,
        grpc_tls: -1,
        https: -1,
      },
    }),
  );
  return {
    name: "consul",
    file: findTool("consul"),
    args: ["agent", `-config-file=${config}`, `-data-dir=${join(folder, "data")}`],
    ours: false,
    graceMs: 5_000,
    // It has a leader and takes writes.
    ready: answers(`http://${address}/v1/kv/rouse-up`, {
      method: "PUT",
      body: "1",
      good: (body) => body.trim() === "true",
    }),
  };
}

/** Whether the Consul that had this folder knows other hosts of the mesh, and so finds them without those that it is told. */
export function remembersOthers(folder: string): boolean {
  return existsSync(join(folder, "data", "serf", "local.snapshot"));
}

/** Raft keeps the server's address in its data, so the ports stay the same from start to start where that can be. */
async function innerPorts(file: string): Promise<z.infer<typeof inner>> {
  const known = readKnown(file);
  if (known !== undefined && (await isFree(known.server)) && (await isFree(known.serfLan))) return known;
  const [server = 0, serfLan = 0] = await freePorts(2);
  writeFileSync(file, JSON.stringify({ server, serfLan }));
  return { server, serfLan };
}

function readKnown(file: string): z.infer<typeof inner> | undefined {
  try {
    return inner.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}
