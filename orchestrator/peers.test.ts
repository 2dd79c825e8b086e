import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { ConsulClient } from "../registry/consul.ts";
import { campaign, type Leader, readLeader } from "../registry/leader.ts";
import { freePorts } from "../test/support/consul.ts";
import { consulOfFile } from "../test/support/consul-of-file.ts";
import { checkLeader } from "./peers.ts";

/** Nobody's silence is noticed within a test. */
const TTL_MS = 3_600_000;
const log = pino({ level: "silent" });
const { server, consul } = await consulOfFile();

/** A leader in a process of its own, which listens at its address. */
async function startLeader(key: string): Promise<{ leader: Leader; child: ChildProcess }> {
  const candidate = new URL("../registry/testing/candidate.ts", import.meta.url);
  const child = fork(candidate, [server.address, key, "a", String(TTL_MS)]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const [leader] = (await once(child, "message")) as [Leader];
  return { leader, child };
}

const check = (key: string, { address }: Leader) => checkLeader(consul, key, address, log);

test("a leader that answers goes on", async () => {
  const key = "rouse/leader/answers";
  const { leader } = await startLeader(key);
  expect(await check(key, leader)).toBe(false);
  expect(await readLeader(consul, key)).toEqual(leader);
});

test("a leader whose port refuses is deposed: another leads at once, however long silence is borne", async () => {
  const key = "rouse/leader/refuses";
  const { leader, child } = await startLeader(key);
  const elected = Promise.withResolvers<Leader>();
  const next = campaign(consul, { key, id: "b", address: "127.0.0.1:1", onElected: elected.resolve });
  onTestFinished(() => next.close());
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  expect(await check(key, leader)).toBe(true);
  const { id, token } = await elected.promise;
  expect(id).toBe("b");
  expect(token).toBeGreaterThan(leader.token);
  // Who comes late with the news does nothing to the next one.
  expect(await check(key, leader)).toBe(false);
  expect((await readLeader(consul, key))?.token).toBe(token);
});

test("a leader that hangs is left to Consul, which hears nothing of it, whether its port takes connections or not", async () => {
  const key = "rouse/leader/hangs";
  const { leader, child } = await startLeader(key);
  child.kill("SIGSTOP");
  // The kernel takes these for it.
  expect(await check(key, leader)).toBe(false);
  const held: Socket[] = [];
  onTestFinished(() => {
    for (const socket of held) socket.destroy();
  });
  while (await takes(leader.address, held));
  expect(await check(key, leader)).toBe(false);
  expect(await readLeader(consul, key)).toEqual(leader);
});

test("a leader that cannot be deposed, since Consul is away, is left to its end", async () => {
  const [leader, nobody] = await freePorts(2);
  const away = new ConsulClient({ address: `127.0.0.1:${nobody}` });
  onTestFinished(() => away.close());
  expect(await checkLeader(away, "rouse/leader/away", `127.0.0.1:${leader}`, log)).toBe(false);
});

/** Whether one more connection is taken soon; those that are taken stay. */
async function takes(address: string, held: Socket[]): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port: Number(address.split(":")[1]) });
  held.push(socket);
  socket.on("error", () => undefined);
  return Promise.race([once(socket, "connect").then(() => true), sleep(2_000, false)]);
}
