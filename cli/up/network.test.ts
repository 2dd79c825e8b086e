import { once } from "node:events";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { ConsulClient } from "../../registry/consul.ts";
import { announceOrders, announceRegistry, findParts } from "../../registry/parts.ts";
import type { RouseError } from "../../sdk/errors.ts";
import { startConsul } from "../../test/support/consul.ts";
import { joinedParts } from "./joined.ts";
import { checkNetwork, GOSSIP_PORT, LOOPBACK, parseJoin, RAFT_PORT } from "./network.ts";

const { signal } = new AbortController();
const failure = (flags: Parameters<typeof checkNetwork>[0]): Promise<RouseError> =>
  checkNetwork(flags, signal, { patienceMs: 50 }).then(
    () => expect.unreachable(),
    (error) => error,
  );

test("a mesh of one host has no network; another has its address, and the first host is a server", async () => {
  expect(await checkNetwork({ bind: LOOPBACK }, signal)).toBeUndefined();
  expect(await checkNetwork({ bind: "127.0.0.21" }, signal)).toEqual({
    bind: "127.0.0.21",
    join: [],
    server: true,
  });
});

test("joining needs an address by which others reach this host", async () => {
  const error = await failure({ bind: LOOPBACK, join: ["10.0.0.1:8301"] });
  expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "JOIN_NEEDS_BIND" });
  expect(error.message).toMatch(
    /^--join needs --bind with the address by which the other hosts reach this one; it has 127\.0\.0\.1.*\.$/,
  );
});

test("an address that is not this machine's is told, with those that are", async () => {
  // 192.0.2.0/24 is for documentation (RFC 5737).
  const error = await failure({ bind: "192.0.2.1" });
  expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "BIND_UNUSABLE" });
  expect(error.message).toMatch(
    /^--bind 192\.0\.2\.1 cannot be used \(it is not an address of this machine\): this machine has 127\.0\.0\.1/,
  );
  expect((await failure({ bind: "0.0.0.0" })).message).toMatch(
    /^--bind 0\.0\.0\.0 is no address that other hosts can reach: give one of this machine, which has 127\.0\.0\.1/,
  );
});

test.for([GOSSIP_PORT, RAFT_PORT])("port %i that is in use is told with who has it", async (port) => {
  const holder = createServer().listen({ host: "127.0.0.22", port });
  await once(holder, "listening");
  onTestFinished(() => void holder.close());
  const error = await failure({ bind: "127.0.0.22" });
  expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "PORT_IN_USE" });
  expect(error.message).toMatch(
    `Port ${port} of 127.0.0.22, by which Consul talks to other hosts, is in use by process ${process.pid} (`,
  );
});

test("a host to join that does not answer is told", async () => {
  const error = await failure({ bind: "127.0.0.23", join: ["127.0.0.24:8301"] });
  expect(error).toMatchObject({ status: "UNAVAILABLE", reason: "JOIN_UNREACHABLE" });
  expect(error.message).toBe(
    'Nothing answers at 127.0.0.24:8301, the host to join. Is "rouse up --bind 127.0.0.24" running there, and does no firewall stand between?',
  );
});

test("a host that was in the mesh before starts also while those to join are silent", async () => {
  const join = ["127.0.0.24:8301"];
  expect(await checkNetwork({ bind: "127.0.0.23", join }, signal, { remembers: true })).toEqual({
    ...{ bind: "127.0.0.23", join, server: false },
  });
});

test("of several hosts to join, one must answer", async () => {
  const holder = createServer().listen({ host: "127.0.0.25", port: GOSSIP_PORT });
  await once(holder, "listening");
  onTestFinished(() => void holder.close());
  const join = [`127.0.0.24:${GOSSIP_PORT}`, `127.0.0.25:${GOSSIP_PORT}`];
  expect(await checkNetwork({ bind: "127.0.0.23", join }, signal)).toEqual({
    ...{ bind: "127.0.0.23", join, server: false },
  });
});

test("a mesh without a registry is told", async () => {
  const consul = await startConsul();
  onTestFinished(() => consul.stop());
  const error = await joinedParts(consul.address, signal, { hasControl: true, patienceMs: 100 }).then(
    () => expect.unreachable(),
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ status: "UNAVAILABLE", reason: "MESH_INCOMPLETE" });
  expect(error.message).toBe(
    'The mesh was joined, but no registry or no control plane is announced in it (waited 0.1 s): see "rouse status" on the host that was started first.',
  );
});

test("a registry and orders that are away are where they were last, and it is told", async () => {
  const consul = await startConsul();
  const client = new ConsulClient({ address: consul.address });
  onTestFinished(async () => {
    client.close();
    await consul.stop();
  });
  const registry = announceRegistry(client, { address: "10.0.0.1:8070", httpAddress: "10.0.0.1:8071" });
  const orders = announceOrders(client, { address: "10.0.0.1:8074", httpAddress: "10.0.0.1:8075" });
  const said: string[] = [];
  const join = (hasControl: boolean, awayMs = 0) =>
    joinedParts(consul.address, signal, {
      ...{ hasControl, awayMs },
      patienceMs: hasControl ? 60_000 : 300,
      say: (line) => said.push(line),
    });
  const parts = {
    registry: "10.0.0.1:8070",
    registryHttp: "10.0.0.1:8071",
    orders: "10.0.0.1:8074",
    ordersHttp: "10.0.0.1:8075",
    control: [],
  };
  const away = async () => (await findParts(client))?.away;
  await expect.poll(away, { timeout: 60_000 }).toEqual([]);
  expect(await join(true)).toEqual({ ...parts, away: [] });
  await Promise.all([registry.close(), orders.close()]);
  await expect.poll(away, { timeout: 60_000 }).toEqual(["registry", "orders"]);
  expect(await join(true)).toEqual({ ...parts, away: ["registry", "orders"] });
  expect(said).toEqual([
    "The registry at 10.0.0.1:8070 does not answer: until it does, nothing can be registered and the site is away. Versions start all the same.",
    "Orders at 10.0.0.1:8074 do not answer: until they do, there are no async calls, durable runs, tasks and orders.",
  ]);
  await expect(join(false)).rejects.toMatchObject({ reason: "MESH_INCOMPLETE" });
});

test("the host to join is an IPv4 address, with a port or the usual one", () => {
  expect(parseJoin("10.0.0.1")).toEqual(["10.0.0.1:8301"]);
  expect(parseJoin("10.0.0.1:18301", ["10.0.0.2:8301"])).toEqual(["10.0.0.2:8301", "10.0.0.1:18301"]);
  expect(() => parseJoin("0.0.0.0")).toThrow(
    '"0.0.0.0" is no address of a host: give its IPv4 address, as it has it in --bind.',
  );
  expect(() => parseJoin("box")).toThrow('"box" is no IPv4 address');
});
