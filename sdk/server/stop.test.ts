import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../client/index.ts";
import type { RouseError } from "../errors.ts";
import { echoDefinition, say } from "../fixtures/echo.ts";
import { echoHandlers } from "../fixtures/handlers.ts";
import { serve } from "./index.ts";
import { stopMessage } from "./stop.ts";

const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

function start(changed: Partial<typeof echoHandlers> = {}) {
  return serve(
    echoDefinition,
    { ...echoHandlers, ...changed },
    { listen: "127.0.0.1:0", handleSignals: false },
  );
}

/** A plain client of grpc.health.v1. */
function health(address: string) {
  const client = new Client(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const encode = (name: string) => Buffer.concat([Buffer.from([10, name.length]), Buffer.from(name)]);
  const decode = (bytes: Buffer) => bytes[1] ?? 0;
  return {
    check: (name: string) =>
      new Promise<number>((resolve, reject) => {
        const path = "/grpc.health.v1.Health/Check";
        client.makeUnaryRequest(path, encode, decode, name, new Metadata(), (error, value) =>
          error ? reject(error) : resolve(value ?? 0),
        );
      }),
    watch: (name: string): AsyncIterator<number> => {
      const path = "/grpc.health.v1.Health/Watch";
      return client.makeServerStreamRequest(path, encode, decode, name)[Symbol.asyncIterator]();
    },
    list: () =>
      new Promise<Buffer>((resolve, reject) => {
        const path = "/grpc.health.v1.Health/List";
        const same = (bytes: Buffer) => bytes;
        client.makeUnaryRequest(path, encode, same, "", new Metadata(), (error, value) =>
          error ? reject(error) : resolve(value ?? Buffer.of()),
        );
      }),
  };
}

test("health: Check by the empty name and the service's, Watch pushes the end, List has both", async () => {
  const server = await start();
  const { check, watch, list } = health(server.address);
  expect(await check("")).toBe(SERVING);
  expect(await check("test.echo.v1.Echo")).toBe(SERVING);
  await expect(check("other.v1.Other")).rejects.toMatchObject({ code: 5 });
  expect((await list()).toString("latin1")).toContain("test.echo.v1.Echo");
  const [all, own, other] = [watch(""), watch("test.echo.v1.Echo"), watch("other.v1.Other")];
  expect((await all.next()).value).toBe(SERVING);
  expect((await own.next()).value).toBe(SERVING);
  expect((await other.next()).value).toBe(SERVICE_UNKNOWN);
  const stopped = server.stop();
  expect((await all.next()).value).toBe(NOT_SERVING);
  expect((await own.next()).value).toBe(NOT_SERVING);
  // Watches are ended by the server, so they do not hold the stop up.
  expect((await all.next()).done).toBe(true);
  await stopped;
});

test("a stop lets open calls end and takes no new ones", async () => {
  const release = Promise.withResolvers<void>();
  const server = await start({
    async *count() {
      yield say("first");
      await release.promise;
      yield say("last");
    },
  });
  const client = createClient(echoDefinition, { target: server.address, retries: 0 });
  onTestFinished(() => client.close());
  const answers = client.count(say(""))[Symbol.asyncIterator]();
  expect((await answers.next()).value?.text).toBe("first");
  let over = false;
  const stopped = server.stop().then(() => {
    over = true;
  });
  await expect(client.say(say(""), { deadlineMs: 2_000 })).rejects.toMatchObject({ status: "UNAVAILABLE" });
  expect(over).toBe(false);
  release.resolve();
  expect((await answers.next()).value?.text).toBe("last");
  expect((await answers.next()).done).toBe(true);
  await stopped;
});

test("what is open after the grace time is cut, and its handler knows why", async () => {
  const seen = Promise.withResolvers<RouseError>();
  const server = await start({
    async *count(_request, call) {
      yield say("first");
      await once(call.signal, "abort");
      seen.resolve(call.signal.reason as RouseError);
    },
  });
  const client = createClient(echoDefinition, { target: server.address, retries: 0 });
  onTestFinished(() => client.close());
  const answers = client.count(say(""))[Symbol.asyncIterator]();
  await answers.next();
  const cut = answers.next();
  const [outcome] = await Promise.allSettled([cut, server.stop({ graceMs: 20 })]);
  expect(outcome.status).toBe("rejected");
  expect(await seen.promise).toMatchObject({ status: "UNAVAILABLE", reason: "SERVER_STOPPING" });
});

/** Runs the echo service as a process of its own, as the agent does. */
async function startProcess(
  env: Record<string, string>,
): Promise<{ child: ChildProcess; stderr: () => string }> {
  const file = join(import.meta.dirname, "../fixtures/echo-main.ts");
  const child = fork(file, { env: { PATH: process.env.PATH, ...env }, stdio: "pipe" });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr?.on("data", (data) => {
    stderr += data;
  });
  return { child, stderr: () => stderr };
}

async function socketFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-sdk-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("a process tells the agent that it is ready, serves, and ends with 0 after SIGTERM", async () => {
  const folder = await socketFolder();
  const agent = createServer();
  const path = join(folder, "notify.sock");
  agent.listen(path);
  await once(agent, "listening");
  onTestFinished(() => void agent.close());
  const connected = once(agent, "connection") as Promise<[Socket]>;
  const { child } = await startProcess({
    ROUSE_NOTIFY: path,
    ROUSE_INSTANCE: "echo-1",
    ROUSE_LISTEN: "127.0.0.1:0",
  });
  const [socket] = await connected;
  const [line] = (await once(socket.setEncoding("utf8"), "data")) as [string];
  const ready: { instance: string; address: string } = JSON.parse(line);
  expect(line.endsWith("\n")).toBe(true);
  expect(ready.instance).toBe("echo-1");
  using client = createClient(echoDefinition, { target: ready.address });
  expect((await client.say(say("hello"))).text).toBe("you said hello");

  // The connection is how the agent learns of the end.
  const closed = once(socket, "close");
  child.kill("SIGTERM");
  const [code] = await once(child, "exit");
  expect(code).toBe(0);
  await closed;
});

test("a process lets open calls end after SIGTERM, and cuts them after the second signal", async () => {
  const { child } = await startProcess({ ROUSE_LISTEN: "127.0.0.1:0" });
  const [address] = await once(child, "message");
  using client = createClient(echoDefinition, { target: String(address), retries: 0 });
  const { promise: forever } = Promise.withResolvers<void>();
  async function* requests() {
    yield say("a");
    await forever;
  }
  const answers = client.chat(requests())[Symbol.asyncIterator]();
  expect((await answers.next()).value?.text).toBe("you said a");
  child.kill("SIGTERM");
  await expect.poll(() => client.say(say("")).catch((error: RouseError) => error.status)).toBe("UNAVAILABLE");
  expect(child.exitCode).toBe(null);
  const cut = answers.next();
  child.kill("SIGTERM");
  await expect(cut).rejects.toMatchObject({ status: "UNAVAILABLE", reason: "SERVER_STOPPING" });
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("a process whose agent is away says so and fails", async () => {
  const path = join(await socketFolder(), "nobody.sock");
  const { child, stderr } = await startProcess({ ROUSE_NOTIFY: path, ROUSE_LISTEN: "127.0.0.1:0" });
  const [code] = await once(child, "close");
  expect(code).not.toBe(0);
  expect(stderr()).toContain("The agent cannot be told that this instance is ready");
  expect(stderr()).toContain("ROUSE_NOTIFY must name its socket.");
});

test("a server on a unix socket", async () => {
  const path = join(await socketFolder(), "echo.sock");
  const server = await serve(echoDefinition, echoHandlers, { listen: `unix:${path}`, handleSignals: false });
  onTestFinished(() => server.stop());
  expect(server.address).toBe(`unix:${path}`);
  using client = createClient(echoDefinition, { target: server.address });
  expect((await client.say(say("hello"))).text).toBe("you said hello");
});

test("a server in a worker thread stops on the message that stands for SIGTERM", async () => {
  const folder = await socketFolder();
  const agent = createServer();
  agent.listen(join(folder, "notify.sock"));
  await once(agent, "listening");
  onTestFinished(() => void agent.close());
  const connected = once(agent, "connection") as Promise<[Socket]>;
  const worker = new Worker(join(import.meta.dirname, "../fixtures/echo-main.ts"), {
    env: { ROUSE_NOTIFY: join(folder, "notify.sock"), ROUSE_INSTANCE: "w", ROUSE_LISTEN: "127.0.0.1:0" },
    execArgv: [],
  });
  onTestFinished(() => void worker.terminate());
  const [socket] = await connected;
  const [line] = (await once(socket.setEncoding("utf8"), "data")) as [string];
  using client = createClient(echoDefinition, { target: (JSON.parse(line) as { address: string }).address });
  expect((await client.say(say("hello"))).text).toBe("you said hello");
  worker.postMessage(stopMessage);
  expect(await once(worker, "exit")).toEqual([0]);
});
