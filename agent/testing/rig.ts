import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { pino } from "pino";
import {
  AgentClient,
  type Instance,
  InstanceSpec,
  type StartInstanceResponse,
} from "#proto/rouse/agent/v1/agent.ts";
import { ConsulClient } from "../../registry/consul.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { freePorts, startConsul, type TestConsul } from "../../test/support/consul.ts";
import { type Bundle, bundle } from "../build/bundle.ts";
import type { AgentOptions } from "../options.ts";
import { type RunningAgent, startAgent } from "../server.ts";

/** The service of agent/testing/service. */
export const SERVICE = "test.v1.TestService";
export const HOST = "test-host";

/** A Consul, a data folder and a bundle of the test service; agents are started on them. */
export interface Rig {
  readonly consul: TestConsul;
  readonly kv: ConsulClient;
  readonly dataDir: string;
  readonly bundle: Bundle;
  /** Starts an agent in this process. */
  start(options?: Partial<AgentOptions>): Promise<TestAgent>;
  /** Starts `rouse agent` as a process of its own, which can be killed. */
  spawn(runtime: string): Promise<TestAgent & { readonly child: ChildProcess }>;
  /** A spec of the test service that behaves as `mode` says. */
  spec(mode: string, changes?: Partial<InstanceSpec>): InstanceSpec;
  /** What Consul has of the test service: id and whether its check passes. */
  registered(): Promise<{ id: string; passing: boolean; draining: boolean }[]>;
  close(): Promise<void>;
}

/** A client of an agent. */
export interface TestAgent {
  readonly client: AgentClient;
  readonly agent: RunningAgent | undefined;
  start(id: string, spec: InstanceSpec, token?: number): Promise<StartInstanceResponse>;
  stop(id: string, graceMs?: number): Promise<void>;
  list(): Promise<Instance[]>;
  get(id: string): Promise<Instance>;
  close(): void;
}

export async function startRig(): Promise<Rig> {
  const dataDir = await mkdtemp(join(tmpdir(), "rouse-test-agent-"));
  const made = await bundle(join(import.meta.dirname, "service"));
  const consul = await startConsul();
  const kv = new ConsulClient({ address: consul.address });
  const closers: (() => Promise<void> | void)[] = [];
  const common = { dataDir, consul: consul.address, registry: "127.0.0.1:1" };
  /** The registry is tested elsewhere: here bundles are at hand. */
  const provide = async () => {
    const folder = join(dataDir, "agent", "bundles");
    await mkdir(folder, { recursive: true });
    await copyFile(made.file, join(folder, `${made.digest}.tar`));
  };
  return {
    consul,
    kv,
    dataDir,
    bundle: made,
    async start(options = {}) {
      const agent = await startAgent({
        host: HOST,
        listen: "127.0.0.1:0",
        meshTarget: `unix:${dataDir}/run/mesh.sock`,
        log: pino({ level: process.env.ROUSE_TEST_LOG ?? "silent" }),
        ...common,
        ...options,
      });
      await provide();
      closers.push(() => agent.close({ stopInstances: true }));
      return client(agent.address, agent);
    },
    async spawn(runtime) {
      const [port] = await freePorts(1);
      const address = `127.0.0.1:${port}`;
      const args = ["agent", "--listen", address, "--runtime", runtime, "--host", HOST, "--data", dataDir];
      const servers = ["--consul", consul.address, "--registry", common.registry];
      const rouse = join(import.meta.dirname, "../../cli/bin/rouse.mjs");
      const child = spawn(process.execPath, [rouse, ...args, ...servers], {
        stdio: ["ignore", "pipe", process.env.ROUSE_TEST_LOG === undefined ? "ignore" : "inherit"],
      });
      closers.push(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill("SIGUSR2");
        await once(child, "exit");
      });
      await said(child, "agent serves");
      await provide();
      return { ...client(address, undefined), child };
    },
    spec(mode, changes = {}) {
      return InstanceSpec.fromPartial({
        service: SERVICE,
        version: "1.0.0",
        bundle: made.digest,
        cpu: 0.25,
        memoryBytes: 128 * 2 ** 20,
        env: { MODE: mode },
        startTimeoutMs: 20_000,
        ...changes,
      });
    },
    async registered() {
      const { text } = await kv.request("GET", `/v1/health/service/${SERVICE}`);
      const entries = JSON.parse(text) as {
        Service: { ID: string; Meta: Record<string, string> };
        Checks: { Status: string; ServiceID: string }[];
      }[];
      return entries.map(({ Service, Checks }) => ({
        id: Service.ID,
        passing: Checks.every(({ Status }) => Status === "passing"),
        draining: Service.Meta.draining === "true",
      }));
    },
    async close() {
      for (const close of closers.reverse()) await close();
      kv.close();
      await consul.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function client(address: string, agent: RunningAgent | undefined): TestAgent {
  const stub = new AgentClient(address, credentials.createInsecure());
  const list = async () => (await unary(stub, "listInstances", {})).instances;
  return {
    client: stub,
    agent,
    list,
    start: (instanceId, spec, fencingToken = 0) =>
      unary(
        stub,
        "startInstance",
        { instanceId, spec, fencingToken, generation: 1, placed: "as the test wants" },
        { deadlineMs: 60_000 },
      ),
    async stop(instanceId, graceMs = 0) {
      const request = { instanceId, graceMs, fencingToken: 0, reason: "the test stops it" };
      await unary(stub, "stopInstance", request, { deadlineMs: 30_000 });
    },
    async get(id) {
      const found = (await list()).find((instance) => instance.id === id);
      if (found === undefined) throw new Error(`there is no instance ${id}`);
      return found;
    },
    close: () => stub.close(),
  };
}

async function said(child: ChildProcess, words: string): Promise<void> {
  let text = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on("data", (chunk) => {
      text += chunk;
      if (text.includes(words)) resolve();
    });
    child.once("exit", () => reject(new Error(`it ended before it said "${words}":\n${text}`)));
  });
}

/** What a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<RouseError> {
  try {
    await promise;
  } catch (thrown) {
    if (thrown instanceof RouseError) return thrown;
    throw thrown;
  }
  throw new Error("it should have failed");
}

/** Waits until something holds that nobody announces, such as what Consul knows. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
