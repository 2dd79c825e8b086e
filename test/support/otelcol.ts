import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findTool } from "../../setup/tools.ts";
import { freePorts } from "./consul.ts";

/** A real OpenTelemetry Collector that hands traces on to "host:port", and prints metrics. */
export interface OpenTelemetryCollector {
  /** "host:port" of its OTLP/gRPC receiver. */
  readonly address: string;
  /** What it has printed. */
  output(): string;
  start(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

/** Makes one that does not run yet. */
export async function makeCollector(tracesTo: string): Promise<OpenTelemetryCollector> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-test-otelcol-"));
  const [port = 0] = await freePorts(1);
  const config = join(folder, "config.yaml");
  // JSON is YAML.
  await writeFile(
    config,
    JSON.stringify({
      receivers: { otlp: { protocols: { grpc: { endpoint: `127.0.0.1:${port}` } } } },
      exporters: {
        "otlp/on": { endpoint: tracesTo, tls: { insecure: true } },
        debug: { verbosity: "detailed" },
      },
      service: {
        telemetry: { metrics: { level: "none" } },
        pipelines: {
          traces: { receivers: ["otlp"], exporters: ["otlp/on"] },
          metrics: { receivers: ["otlp"], exporters: ["debug"] },
        },
      },
    }),
  );
  let child: ChildProcess | undefined;
  let output = "";
  const kill = async () => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    running.kill("SIGKILL");
    await once(running, "exit");
  };
  return {
    address: `127.0.0.1:${port}`,
    output: () => output,
    async start() {
      const started = spawn(findTool("otelcol"), ["--config", config], { stdio: ["ignore", "pipe", "pipe"] });
      child = started;
      for (const stream of [started.stdout, started.stderr]) stream.on("data", (text) => (output += text));
      while (!(await listens(port))) {
        if (started.exitCode !== null || started.signalCode !== null)
          throw new Error(`the collector ended:\n${output}`);
        await sleep(50);
      }
    },
    kill,
    async close() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true)).once("error", () => end(false));
  });
}
