import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { RouseError } from "../sdk/errors.ts";
import { installPackages, mayInstallPackages } from "./apt.ts";
import { makeBridge } from "./bridge.ts";
import { step } from "./progress.ts";

/** A Docker engine for the time of a test run. */
export interface Engine {
  /** What programs get as DOCKER_HOST; undefined: the default socket. */
  readonly host: string | undefined;
  stop(): Promise<void>;
}

const READY_MS = 60_000;
const STOP_MS = 30_000;

/**
 * The Docker engine that the tests use: the one that answers, else, in CI as root, one of our own in a temporary
 * folder; undefined elsewhere.
 *
 * @throws RouseError FAILED_PRECONDITION DOCKER_MISSING in a CI run that cannot have one.
 */
export async function dockerForTests(): Promise<Engine | undefined> {
  if (await engineAnswers(process.env.DOCKER_HOST))
    return { host: process.env.DOCKER_HOST, stop: async () => {} };
  if (process.env.CI !== "true") return undefined;
  if (mayInstallPackages()) {
    if (!existsSync("/usr/sbin/dockerd") || !existsSync("/usr/sbin/iptables"))
      await installPackages("docker.io", "iptables");
    return step("Starting a Docker engine for the tests", startEngine);
  }
  throw new RouseError(
    "FAILED_PRECONDITION",
    "No Docker engine answers, and a CI run must not leave its tests out: set DOCKER_HOST, or run as root on Debian, where one is installed.",
    { reason: "DOCKER_MISSING" },
  );
}

async function engineAnswers(host: string | undefined): Promise<boolean> {
  const docker = host?.startsWith("unix://") ? new Docker({ socketPath: host.slice(7) }) : new Docker();
  try {
    await docker.ping();
    return true;
  } catch {
    return false;
  }
}

/** It shares nothing with an engine that runs on this machine already: neither bridge, addresses and rules of the firewall, nor settings. */
async function startEngine(): Promise<Engine> {
  const folder = mkdtempSync(join(tmpdir(), "rouse-docker-"));
  const host = `unix://${folder}/docker.sock`;
  const log = join(folder, "dockerd.log");
  const out = openSync(log, "a");
  const config = join(folder, "daemon.json");
  writeFileSync(config, "{}");
  const bridge = /^\s*docker0:/m.test(readFileSync("/proc/net/dev", "utf8")) ? makeBridge() : undefined;
  const flags = [
    "--config-file",
    config,
    "--containerd-namespace",
    basename(folder),
    ...(bridge === undefined ? [] : ["--bridge", bridge.name, "--iptables=false"]),
    "--data-root",
    join(folder, "data"),
    "--exec-root",
    join(folder, "exec"),
    "--pidfile",
    join(folder, "pid"),
  ];
  const dockerd = spawn("/usr/sbin/dockerd", ["--host", host, ...flags], {
    stdio: ["ignore", out, out],
    detached: true,
  });
  closeSync(out);
  const exited = Promise.race([once(dockerd, "exit"), once(dockerd, "error")]);
  let ended = false;
  void exited.finally(() => {
    ended = true;
  });
  const stop = async () => {
    dockerd.kill("SIGTERM");
    const timer = setTimeout(() => dockerd.kill("SIGKILL"), STOP_MS);
    await exited;
    clearTimeout(timer);
    bridge?.remove();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 });
  };
  const deadline = Date.now() + READY_MS;
  while (!(await engineAnswers(host))) {
    if (ended || Date.now() > deadline) {
      const last = readFileSync(log, "utf8").trim().split("\n").slice(-8).join("\n  ");
      if (!ended) await stop();
      throw new RouseError("FAILED_PRECONDITION", `The Docker engine did not start; it said:\n  ${last}`, {
        reason: "DOCKER_MISSING",
      });
    }
    await sleep(100);
  }
  return { host, stop };
}
