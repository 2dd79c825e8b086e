import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LogIntakeClient } from "#proto/rouse/intake/v1/intake.ts";
import {
  type LogLine,
  LogsClient,
  type ReadLogsRequest,
  type ReadLogsResponse,
} from "#proto/rouse/usage/v1/usage.ts";
import { callError, unary } from "../../sdk/grpc.ts";
import { registerHost } from "../hosts.ts";
import { failure, type Rig, startRig } from "../testing/rig.ts";
import { LOG_LIMITS, LogStore } from "./store.ts";

let rig: Rig;
let intake: LogIntakeClient;
let logs: LogsClient;
let hosts: { close(): Promise<void> }[];
beforeAll(async () => {
  rig = await startRig();
  intake = new LogIntakeClient(rig.registry.address, credentials.createInsecure());
  logs = new LogsClient(rig.registry.address, credentials.createInsecure());
  const host = { address: "127.0.0.1:1", runtime: "process", cpu: 1, memoryBytes: 1, gpu: 0, labels: {} };
  hosts = await Promise.all(["h1", "h2"].map((name) => registerHost(rig.kv, { ...host, host: name })));
});
afterAll(async () => {
  for (const host of hosts ?? []) await host.close();
  intake?.close();
  logs?.close();
  await rig?.close();
});

const nothing = {
  service: "",
  version: "",
  instance: "",
  host: "",
  contains: "",
  fromMs: 0,
  toMs: 0,
  tail: 0,
  follow: false,
};

/** Hands over lines of [time, text]; positions go on from the number given. */
function write(instance: string, host: string, from: number, lines: readonly (readonly [number, string])[]) {
  return unary(intake, "appendLines", {
    host,
    instance,
    service: `${instance.split("-")[0]}.v1.S`,
    version: "1.0.0",
    lines: lines.map(([atMs, text], index) => ({ atMs, stderr: false, position: from + index, text })),
  });
}

async function* read(query: Partial<ReadLogsRequest>): AsyncGenerator<LogLine> {
  const call = logs.readLogs({ ...nothing, ...query });
  try {
    for await (const { lines } of call as AsyncIterable<ReadLogsResponse>) yield* lines;
  } catch (error) {
    throw callError(error);
  } finally {
    call.cancel();
  }
}

async function texts(query: Partial<ReadLogsRequest>): Promise<string[]> {
  const found: string[] = [];
  for await (const { text } of read(query)) found.push(text);
  return found;
}

test("lines of all hosts in the order of time, by each filter; what comes twice is there once", async () => {
  const t = Date.now() - 60_000;
  await write("a-1", "h1", 1, [
    [t + 1, "one"],
    [t + 30, "three Äpfel"],
  ]);
  await write("a-2", "h2", 1, [[t + 20, "two"]]);
  await write("b-1", "h2", 1, [[t + 40, "four"]]);
  await write("a-1", "h1", 1, [
    [t + 1, "one"],
    [t + 30, "three Äpfel"],
    [t + 50, "five"],
  ]);
  expect(await texts({})).toEqual(["one", "two", "three Äpfel", "four", "five"]);
  expect(await texts({ service: "a.v1.S" })).toEqual(["one", "two", "three Äpfel", "five"]);
  expect(await texts({ host: "h2" })).toEqual(["two", "four"]);
  expect(await texts({ instance: "b-1" })).toEqual(["four"]);
  expect(await texts({ version: "2.0.0" })).toEqual([]);
  expect(await texts({ contains: "ÄPFEL" })).toEqual(["three Äpfel"]);
  expect(await texts({ fromMs: t + 20, toMs: t + 40 })).toEqual(["two", "three Äpfel", "four"]);
  expect(await texts({ tail: 2 })).toEqual(["four", "five"]);
  expect(await unary(intake, "getPositions", { instance: "a-1" })).toEqual({ stdout: 3, stderr: 0 });
});

test("a follower gets new lines of all instances; one of them goes on although a host is gone, and that is said", async () => {
  const got: LogLine[] = [];
  const seen = Promise.withResolvers<void>();
  const following = (async () => {
    for await (const line of read({ service: "f.v1.S", follow: true })) {
      if (got.push(line) === 1) seen.resolve();
      if (got.length === 3) return;
    }
  })();
  await write("f-1", "h1", 1, [[Date.now(), "first"]]);
  await seen.promise;
  await Promise.all([
    write("f-2", "h2", 1, [[Date.now(), "of f-2"]]),
    write("f-1", "h1", 2, [[Date.now(), "of f-1"]]),
  ]);
  await following;
  expect(got[0]?.text).toBe("first");
  expect(
    got
      .slice(1)
      .map(({ text, instance, host }) => [text, instance, host])
      .sort(),
  ).toEqual([
    ["of f-1", "f-1", "h1"],
    ["of f-2", "f-2", "h2"],
  ]);
  await write("g-1", "dead-host", 1, [[Date.now(), "last words"]]);
  const lines: LogLine[] = [];
  for await (const line of read({ service: "g.v1.S" })) lines.push(line);
  expect(lines).toMatchObject([
    { text: "last words", host: "dead-host" },
    {
      stream: "notice",
      host: "dead-host",
      text: "the agent of dead-host is not heard of: its lines end with the last that it handed over",
    },
  ]);
});

test("what cannot be asked for is said", async () => {
  const fails = async (query: Partial<ReadLogsRequest>) => (await failure(texts(query))).message;
  expect(await fails({ fromMs: 10, toMs: 5 })).toContain("ends before it begins");
  expect(await fails({ contains: "x".repeat(1_000_000) })).toContain(
    "has 1000000 characters; give at most 1000",
  );
  const ofWhat = await failure(write("No Such", "", 1, []));
  expect(ofWhat).toMatchObject({ status: "INVALID_ARGUMENT", reason: "LOG_LINES_OF_WHAT" });
  expect(ofWhat.message).toContain("Lines need the instance and the host");
});

test("each host has so many bytes, the oldest lines go first, and all go after a week", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouse-test-logs-"));
  let now = Date.now();
  const store = new LogStore(join(folder, "logs.db"), { ...LOG_LIMITS, bytesOfHost: 10_000 }, () => now);
  const fill = (host: string, count: number) =>
    store.append({
      host,
      instance: `i-${host}`,
      service: "a.v1.A",
      version: "1.0.0",
      lines: Array.from({ length: count }, (_, index) => ({
        // A clock far ahead, and lines without end: the time of arrival counts, and the line is cut.
        atMs: index === 0 ? now + 86_400_000 : now,
        stderr: true,
        position: index + 1,
        text: index === 0 ? "y".repeat(100_000) : `${index} ${"x".repeat(100)}`,
      })),
    });
  const never = new AbortController().signal;
  try {
    fill("loud", 500);
    fill("calm", 20);
    const [first] = await store.latest({ ...nothing, host: "calm" }, 20, never);
    expect(first?.text).toMatch(/^y{16384}… \(83616 characters cut\)$/);
    expect(first?.atMs).toBe(now);
    store.tidy();
    const loud = await store.latest({ ...nothing, host: "loud" }, 1_000, never);
    expect(loud.length).toBeGreaterThan(40);
    expect(loud.length).toBeLessThan(70);
    expect(loud.at(-1)?.text).toMatch(/^499 /);
    expect(await store.latest({ ...nothing, host: "calm" }, 1_000, never)).toHaveLength(19);
    now += 8 * 86_400_000;
    store.tidy();
    expect(await store.latest(nothing, 1_000, never)).toEqual([]);
  } finally {
    store.close();
    await rm(folder, { recursive: true, force: true });
  }
});
