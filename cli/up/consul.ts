import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { findTool } from "../../setup/tools.ts";
import type { ChildSpec } from "./child.ts";
import { freePorts, isFree } from "./ports.ts";
import { answers } from "./ready.ts";

const inner = z.object({ server: z.number().int(), serfLan: z.number().int() });

/**
 * A single Consul server with its web page, for one host: everything on 127.0.0.1.
 *
 * @param address "host:port" of the HTTP API.
 * @param folder where it keeps its data.
 */
export async function consulChild(address: string, folder: string): Promise<ChildSpec> {
  mkdirSync(folder, { recursive: true });
  const { server, serfLan } = await innerPorts(join(folder, "ports.json"));
  const config = join(folder, "consul.json");
  writeFileSync(
    config,
    JSON.stringify({
      server: true,
      bootstrap_expect: 1,
      // A name of our own: the data must stay good when the machine is renamed.
      node_name: "rouse",
      bind_addr: "127.0.0.1",
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
