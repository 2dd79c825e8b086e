import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../cli/up/ports.ts";
import { findTool } from "../../setup/tools.ts";

export { freePorts };

export interface TestConsul {
  /** "127.0.0.1:port" of the HTTP API; stays over restarts. */
  readonly address: string;
  readonly dataDir: string;
  /** Ends it and removes the data folder if startConsul made it. */
  stop(): Promise<void>;
  /** SIGKILL; the data stays. */
  kill(): Promise<void>;
  /** Starts it again (killing it first if it runs), on the same ports; `fresh` forgets all data. */
  restart(options?: { fresh?: boolean }): Promise<void>;
}

/**
 * Starts a real single-server Consul on random ports of 127.0.0.1 and resolves once it leads and takes writes (about a second).
 */
export async function startConsul(options: { dataDir?: string } = {}): Promise<TestConsul> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-test-consul-"));
  const dataDir = options.dataDir ?? join(folder, "data");
  const [http, lan, server] = await freePorts(3);
  const config = join(folder, "consul.json");
  await writeFile(
    config,
    JSON.stringify({
      server: true,
      bootstrap_expect: 1,
      node_name: "test",
      bind_addr: "127.0.0.1",
      client_addr: "127.0.0.1",
      log_level: "error",
      leave_on_terminate: false,
      skip_leave_on_interrupt: true,
      disable_update_check: true,
      ports: { http, serf_lan: lan, server, dns: -1, grpc: -1, grpc_tls: -1, https: -1, serf_wan: -1 },
      performance: { raft_multiplier: 1 },
      limits: { http_max_conns_per_client: 4_000 },
      connect: { enabled: false },
    }),
  );
  const address = `127.0.0.1:${http}`;
  let child: ChildProcess | undefined;
  let guard: ChildProcess | undefined;
  const start = async () => {
    await mkdir(dataDir, { recursive: true });
    child = spawn(findTool("consul"), ["agent", `-config-file=${config}`, `-data-dir=${dataDir}`], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    guard = guardOf(child, folder);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => (output += data));
    await untilLeading(address, child, () => output);
  };
  const end = async (signal: NodeJS.Signals) => {
    const running = child;
    child = undefined;
    // Before Consul ends: its process id may belong to another program afterwards.
    guard?.kill("SIGKILL");
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, "exit");
    running.kill(signal);
    await exited;
  };
  try {
    await start();
  } catch (error) {
    await end("SIGKILL");
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    address,
    dataDir,
    kill: () => end("SIGKILL"),
    async stop() {
      await end("SIGTERM");
      await rm(folder, { recursive: true, force: true });
    },
    async restart({ fresh = false } = {}) {
      await end("SIGKILL");
      if (fresh) await rm(dataDir, { recursive: true, force: true });
      await start();
    },
  };
}

/** A shell that ends Consul and removes its folder when this process is gone, however it went: its stdin closes then. */
function guardOf(consul: ChildProcess, folder: string): ChildProcess {
  const script = 'read -r _; kill -9 "$0"; rm -rf "$1"';
  const guard = spawn("sh", ["-c", script, String(consul.pid), folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.unref();
  return guard;
}

/** Consul has no event for "I lead": a write that succeeds is the proof, so it is asked until one does. */
async function untilLeading(address: string, child: ChildProcess, output: () => string): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    if (await put(`http://${address}/v1/kv/rouse-test-ready`)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Consul ended before it led:\n${output()}`);
}

function put(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = http.request(url, { method: "PUT", agent: false, timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on("error", () => resolve(false));
    request.on("timeout", () => request.destroy());
    request.end("yes");
  });
}
