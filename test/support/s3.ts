import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTool } from "../../setup/tools.ts";
import { freePorts } from "./consul.ts";
import { until } from "./live.ts";

/** A real S3 server, rclone's, whose objects are files. */
export interface S3Server {
  /** Such as "http://127.0.0.1:9000". */
  readonly endpoint: string;
  /** The folder of the one bucket that it has, "bucket". */
  readonly folder: string;
  /** What a client must have in its environment. */
  readonly keys: Readonly<Record<"AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY", string>>;
  start(): Promise<void>;
  /** SIGKILL; its objects stay. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

/** Starts one. */
export async function startS3(): Promise<S3Server> {
  const root = await mkdtemp(join(tmpdir(), "rouse-test-s3-"));
  const folder = join(root, "bucket");
  await mkdir(folder);
  const [port = 0] = await freePorts(1);
  const endpoint = `http://127.0.0.1:${port}`;
  const keys = { AWS_ACCESS_KEY_ID: "test-key", AWS_SECRET_ACCESS_KEY: "test-secret" };
  let child: ChildProcess | undefined;
  let output = "";
  const kill = async () => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    running.kill("SIGKILL");
    await once(running, "exit");
  };
  const start = async () => {
    const key = `${keys.AWS_ACCESS_KEY_ID},${keys.AWS_SECRET_ACCESS_KEY}`;
    const flags = [
      "--addr",
      `127.0.0.1:${port}`,
      "--auth-key",
      key,
      "--config",
      "/dev/null",
      "--low-level-retries",
      "1",
      // It would read a whole object for each question about it.
      "--etag-hash",
      "",
      "--no-checksum",
      "--no-cleanup",
    ];
    const started = spawn(findTool("rclone"), ["serve", "s3", root, ...flags], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child = started;
    for (const stream of [started.stdout, started.stderr]) stream.on("data", (text) => (output += text));
    await until("the S3 server answers", async () => {
      if (started.exitCode !== null || started.signalCode !== null)
        throw new Error(`the S3 server ended:\n${output}`);
      const answer = await fetch(endpoint).catch(() => undefined);
      return answer !== undefined;
    });
  };
  const server: S3Server = {
    endpoint,
    folder,
    keys,
    start,
    kill,
    async close() {
      await kill();
      await rm(root, { recursive: true, force: true });
    },
  };
  try {
    await start();
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
}
