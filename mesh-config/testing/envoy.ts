import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findTool } from "../../setup/tools.ts";
import { type BootstrapOptions, envoyBootstrap } from "../bootstrap.ts";
import { OUTLIER_LOG_ARGUMENTS } from "../outlier-log.ts";

/** A real Envoy for a test. */
export interface TestEnvoy {
  /** GET of an admin page. */
  admin(path: string): Promise<string>;
  /** One counter or gauge; 0 when there is none of the name. */
  stat(name: string): Promise<number>;
  /** Resolves when the check of an admin page passes. */
  until(path: string, check: (text: string) => boolean): Promise<void>;
  log(): Promise<string>;
  close(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new TypeError("a TCP server has a port");
  return address.port;
}

export async function startEnvoy(
  controlPlane: BootstrapOptions["controlPlane"],
  options: {
    nodeId?: string;
    logLevel?: string;
    collector?: string;
    zone?: string;
    outlierLog?: string;
  } = {},
): Promise<TestEnvoy> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-envoy-"));
  const nodeId = options.nodeId ?? "test-envoy";
  const bootstrap = envoyBootstrap({
    nodeId,
    controlPlane,
    admin: "127.0.0.1:0",
    ...(options.collector && { collector: options.collector }),
    ...(options.zone && { zone: options.zone }),
    ...(options.outlierLog && { outlierLog: options.outlierLog }),
  });
  await writeFile(join(folder, "envoy.json"), JSON.stringify(bootstrap));
  const parameters = [
    ...["-c", join(folder, "envoy.json"), "--use-dynamic-base-id", "--concurrency", "2"],
    ...OUTLIER_LOG_ARGUMENTS,
    ...["-l", options.logLevel ?? "warning", "--log-path", join(folder, "log")],
    ...[
      "--admin-address-path",
      join(folder, "admin"),
      "--drain-time-s",
      "1",
      "--parent-shutdown-time-s",
      "2",
    ],
  ];
  const child = spawn(findTool("envoy"), parameters, { stdio: "ignore" });
  const exited = once(child, "exit");
  const log = () => readFile(join(folder, "log"), "utf8").catch(() => "");
  const close = async () => {
    child.kill("SIGKILL");
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  let base = "";
  while (base === "") {
    if (child.exitCode !== null) throw new Error(`Envoy ended: ${await log()}`);
    base = (await readFile(join(folder, "admin"), "utf8").catch(() => "")).trim();
    if (base === "") await sleep(10);
  }
  const admin = async (path: string) => (await fetch(`http://${base}${path}`)).text();
  return {
    admin,
    log,
    close,
    async stat(name) {
      const text = await admin(`/stats?filter=^${name.replaceAll(".", "\\.")}$`);
      return Number(text.split(":")[1] ?? 0);
    },
    async until(path, check) {
      for (;;) {
        if (child.exitCode !== null) throw new Error(`Envoy ended: ${await log()}`);
        if (check(await admin(path))) return;
        await sleep(10);
      }
    },
  };
}
