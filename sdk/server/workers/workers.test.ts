import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createClient } from "../../client/index.ts";
import { echoDefinition, say } from "../../fixtures/echo.ts";
import { workersWanted } from "./role.ts";

const program = new URL("../../fixtures/workers-main.ts", import.meta.url).pathname;

interface Instance {
  readonly child: ChildProcess;
  readonly address: string;
  output(): string;
}

/** An agent's socket: answers who announces itself with an id, as an agent does. */
async function agentSocket(): Promise<{ path: string; announced: Promise<string> }> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-workers-"));
  const path = join(folder, "notify.sock");
  const { promise: announced, resolve } = Promise.withResolvers<string>();
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", (line) => {
      socket.write('{"instance":"instance-7"}\n');
      resolve((JSON.parse(String(line)) as { address: string }).address);
    });
  }).listen(path);
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { path, announced };
}

async function startInstance(workers: string): Promise<Instance> {
  const { path, announced } = await agentSocket();
  const env = {
    ...process.env,
    ROUSE_WORKERS: workers,
    ROUSE_LISTEN: "127.0.0.1:0",
    ROUSE_NOTIFY: path,
    ROUSE_INSTANCE: "made-ahead",
  };
  const child = spawn(process.execPath, [program], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  });
  const ended = once(child, "exit").then(() => Promise.reject(new Error(`it ended:\n${output}`)));
  ended.catch(() => {});
  return { child, address: await Promise.race([announced, ended]), output: () => output };
}

/** Asks over a connection of its own. */
async function ask(address: string, text: string, connection = 0): Promise<string> {
  // Clients share the connection of a target unless they differ in this.
  const maxResponseBytes = 2 ** 20 + connection;
  using client = createClient(echoDefinition, { target: address, retries: 0, maxResponseBytes });
  return (await client.say(say(text), { deadlineMs: 60_000 })).text;
}

/** Begins a stream over a connection of its own. @returns what waits for the end of it. */
async function begin(address: string, connection: number): Promise<() => Promise<string | undefined>> {
  const client = createClient(echoDefinition, {
    target: address,
    retries: 0,
    maxResponseBytes: 2 ** 20 + connection,
  });
  onTestFinished(() => client.close());
  const texts = client.count(say(""), { deadlineMs: 60_000 })[Symbol.asyncIterator]();
  await texts.next();
  return async () => (await texts.next()).value?.text;
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await check().catch(() => false))) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Calls over new connections until so many workers have answered; by number, what they said. */
async function answersOf(address: string, count: number): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  await until(`${count} workers answer`, async () => {
    const [worker = "", ...rest] = (await ask(address, "hello")).split(" ");
    found.set(worker, rest);
    return found.size === count;
  });
  return found;
}

describe.each(["processes", "threads"])("%s", (kind) => {
  test("share the port, know the instance, and end when the instance is asked to", async () => {
    const { child, address } = await startInstance(`${kind}:3`);
    const answers = await answersOf(address, 3);
    expect([...answers.keys()].sort()).toEqual(["1", "2", "3"]);
    const pids = new Set([...answers.values()].map(([pid]) => pid));
    expect(pids.size).toBe(kind === "processes" ? 3 : 1);
    expect(pids.has(String(child.pid))).toBe(kind === "threads");
    await until("they know their instance", async () => (await ask(address, "")).endsWith(" instance-7"));
    const open = await Promise.all([1, 2, 3, 4].map((connection) => begin(address, connection)));
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    expect(await Promise.all(open.map((rest) => rest()))).toEqual(["last", "last", "last", "last"]);
    expect(await exited).toEqual([0, null]);
  });

  test("one that ends is replaced, and the instance goes on", async () => {
    const { child, address, output } = await startInstance(`${kind}:2`);
    const before = await answersOf(address, 2);
    // On a busy machine it ends before its answer is sent.
    await ask(address, "end").catch(() => "");
    await until("it is told", async () => /Worker \d ended with exit code 3; 1 go on\./.test(output()));
    const after = await answersOf(address, 2);
    const same = [...before].filter(([worker, who]) => after.get(worker)?.join() === who.join());
    expect(same).toHaveLength(1);
    expect(child.exitCode).toBeNull();
  });
});

test("what is wanted is read from ROUSE_WORKERS", () => {
  expect(workersWanted({ ROUSE_WORKERS: "processes:4" })).toEqual({ kind: "processes", count: 4 });
  expect(workersWanted({ ROUSE_WORKERS: "threads:1" })).toBeUndefined();
  expect(workersWanted({})).toBeUndefined();
  expect(workersWanted({ ROUSE_WORKERS: "processes:4", ROUSE_WORKER: "2" })).toBeUndefined();
  expect(() => workersWanted({ ROUSE_WORKERS: "many" })).toThrow(
    'ROUSE_WORKERS is "many". Write "processes:" or "threads:" and how many, such as "processes:4".',
  );
});
