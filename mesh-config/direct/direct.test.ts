import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Load } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import type { InstanceState } from "../../registry/state.ts";
import { createClient } from "../../sdk/client/index.ts";
import { RouseError } from "../../sdk/errors.ts";
import { echoDefinition, say } from "../../sdk/fixtures/echo.ts";
import { echoHandlers } from "../../sdk/fixtures/handlers.ts";
import type { Call } from "../../sdk/server/types.ts";
import type { StatusName } from "../../sdk/status.ts";
import { startInProcess } from "../../sdk/testing/index.ts";
import { nextGeneration, startRig, type TestRig } from "../testing/rig.ts";
import { instance, manifest, version } from "../testing/state.ts";

/* Clients that balance by themselves, beside a real Envoy: who answers, and whether the call came through Envoy. */

const service = echoDefinition.name;
const patience = { timeout: 60_000, interval: 20 };
let rig: TestRig;

beforeAll(async () => {
  rig = await startRig({ graceMs: 100 });
}, 60_000);
afterEach(() => {
  rig.orchestrator.onWanted = () => undefined;
});
afterAll(() => rig.close());

/** Texts at which an instance fails, and how. */
const failures: Readonly<Record<string, StatusName>> = {
  "be broken": "INTERNAL",
  "be lost": "DATA_LOSS",
  refuse: "NOT_FOUND",
};

/** An instance whose answers say its name and the way of the call. */
async function serve(name: string) {
  const way = (call: Call) => (call.metadata.get("x-forwarded-proto").length > 0 ? "envoy" : "direct");
  const server = await startInProcess(echoDefinition, {
    ...echoHandlers,
    say: ({ text }, call) => {
      const failure = failures[text];
      if (failure !== undefined) throw new RouseError(failure, `${way(call)}: told to fail`);
      return say(`${name} ${way(call)}`);
    },
    async *chat(requests, call) {
      for await (const _ of requests) yield say(`${name} ${way(call)}`);
    },
  });
  onTestFinished(() => server.close());
  return server;
}

function put(number: string, instances: readonly InstanceState[]): void {
  const settings = { exposure: "internal", loadBalancing: "client" } as const;
  rig.mesh.put(version(manifest(service, number, settings), { generation: 1 }, instances));
}

function newClient(spec?: string) {
  const client = createClient(echoDefinition, {
    target: rig.meshListener,
    balancing: "client",
    ...(spec !== undefined && { version: spec }),
  });
  onTestFinished(() => client.close());
  return client;
}

type Client = ReturnType<typeof newClient>;
const ask = async (client: Client) => (await client.say(say(""))).text;

/** Who answers so many calls, sorted. */
async function answers(client: Client, count = 20): Promise<string[]> {
  const seen = new Set<string>();
  for (let index = 0; index < count; index++) seen.add(await ask(client));
  return [...seen].sort();
}

/** A call that lasts until the test ends it. */
async function openChat(client: Client) {
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  onTestFinished(() => end());
  const asked = { more: Promise.withResolvers<void>() };
  async function* requests() {
    yield say("1");
    await Promise.race([over, asked.more.promise]);
    yield say("2");
    await over;
  }
  const stream = client.chat(requests())[Symbol.asyncIterator]();
  const first = (await stream.next()).value?.text ?? "";
  return {
    first,
    async again() {
      asked.more.resolve();
      return (await stream.next()).value?.text;
    },
    async end() {
      end();
      while (!(await stream.next()).done);
    },
  };
}

/** The newest load of the version, as the orchestrator is told. */
function load(number: string): Load | undefined {
  return rig.orchestrator.loads
    .at(-1)
    ?.find(({ target }) => target?.service === service && target.version === number);
}

test("a cold version is woken through Envoy, and called directly from then on", async () => {
  const server = await serve("a");
  put("1.0.0", []);
  rig.orchestrator.onWanted = (target) => {
    rig.orchestrator.ready(target, "a", server.target);
    put("1.0.0", [instance("a", 1, server.target)]);
  };
  const client = newClient("1.0.0");
  await expect.poll(() => ask(client).catch(({ status }: RouseError) => status), patience).toBe("a envoy");
  await expect.poll(() => ask(client), patience).toBe("a direct");
  expect(await answers(client)).toEqual(["a direct"]);
});

test("calls spread over the instances, leave one that drains, and are reported as Envoy's are", async () => {
  const [a, b] = await Promise.all([serve("a"), serve("b")]);
  const [one, two] = [instance("a", 1, a.target), instance("b", 1, b.target)];
  put("1.1.0", [one, two]);
  const client = newClient("1.1.0");
  await expect.poll(() => answers(client), patience).toEqual(["a direct", "b direct"]);

  const chat = await openChat(client);
  const [name = ""] = chat.first.split(" ");
  expect(chat.first).toBe(`${name} direct`);
  const { target: address } = name === "a" ? a : b;
  const open = { target: { version: "1.1.0" }, inProgress: 1, endpoints: [{ address, inProgress: 1 }] };
  await expect.poll(() => load("1.1.0"), patience).toMatchObject(open);

  const drains = [one, two].map((each) => ({ ...each, draining: each.id === name }));
  put("1.1.0", drains);
  const other = name === "a" ? "b" : "a";
  await expect.poll(() => answers(client), patience).toEqual([`${other} direct`]);
  // It goes on where it is, and is seen there.
  expect(await chat.again()).toBe(`${name} direct`);
  await expect
    .poll(() => load("1.1.0")?.endpoints.find((each) => each.address === address)?.inProgress, patience)
    .toBe(1);
  await chat.end();
  await expect.poll(() => load("1.1.0"), patience).toBeUndefined();
});

test("what ends with a server error is told of the instance, as Envoys tell it; what is the caller's fault is not", async () => {
  const server = await serve("a");
  put("1.6.0", [instance("a", 1, server.target)]);
  const client = newClient("1.6.0");
  await expect.poll(() => ask(client), patience).toBe("a direct");
  const seen = rig.orchestrator.loads.length;
  for (const text of ["refuse", "be broken", "be lost", "refuse"])
    await expect(client.say(say(text))).rejects.toThrow("direct: told to fail");
  const told = () => {
    const sum = { issued: 0, errors: 0 };
    for (const { target, endpoints } of rig.orchestrator.loads.slice(seen).flat())
      for (const { address, issued, errors } of endpoints)
        if (target?.version === "1.6.0" && address === server.target) {
          sum.issued += issued;
          sum.errors += errors;
        }
    return sum;
  };
  await expect.poll(() => told().errors, patience).toBe(2);
  expect(told().issued).toBeGreaterThanOrEqual(4);
});

test("the busy one gets fewer calls", async () => {
  const [a, b] = await Promise.all([serve("a"), serve("b")]);
  put("1.2.0", [instance("a", 1, a.target), instance("b", 1, b.target)]);
  const client = newClient("1.2.0");
  await expect.poll(() => answers(client), patience).toEqual(["a direct", "b direct"]);
  const chat = await openChat(client);
  const other = chat.first === "a direct" ? "b direct" : "a direct";
  expect(await answers(client)).toEqual([other]);
});

test("a generation has drained when direct calls have left it, too", async () => {
  const server = await serve("a");
  put("1.3.0", [instance("a", 1, server.target)]);
  const client = newClient("1.3.0");
  await expect.poll(() => ask(client), patience).toBe("a direct");
  const chat = await openChat(client);
  expect(chat.first).toBe("a direct");
  nextGeneration(rig, service, "1.3.0");
  const drained = () => rig.orchestrator.drained.some((target) => target.version === "1.3.0");
  const before = rig.orchestrator.loads.length;
  // Envoys and the client have reported twice since, and the call is still open.
  await expect.poll(() => rig.orchestrator.loads.length - before, patience).toBeGreaterThan(3);
  expect(drained()).toBe(false);
  expect(load("1.3.0")).toMatchObject({ target: { generation: 1 }, inProgress: 1 });
  await chat.end();
  await expect.poll(drained, patience).toBe(true);
});

test("a tag that is split is so by its weights; a cold part is woken through Envoy", async () => {
  const [a, b] = await Promise.all([serve("a"), serve("b")]);
  put("2.0.0", [instance("a", 1, a.target)]);
  put("2.1.0", [instance("b", 1, b.target)]);
  put("2.2.0", []);
  rig.mesh.tag(service, "split", { "2.0.0": 50, "2.1.0": 50 });
  const client = newClient("split");
  await expect.poll(() => answers(client, 40), patience).toEqual(["a direct", "b direct"]);
  rig.mesh.tag(service, "split", { "2.0.0": 50, "2.2.0": 50 });
  const c = await serve("c");
  rig.orchestrator.onWanted = (target) => {
    rig.orchestrator.ready(target, "c", c.target);
    put("2.2.0", [instance("c", 1, c.target)]);
  };
  await expect.poll(() => answers(client, 40), patience).toEqual(["a direct", "c direct"]);
});

test("an instance that dies is left at once, and its calls go to others", async () => {
  const [a, b] = await Promise.all([serve("a"), serve("b")]);
  put("3.0.0", [instance("a", 1, a.target), instance("b", 1, b.target)]);
  const client = newClient("3.0.0");
  await expect.poll(() => answers(client), patience).toEqual(["a direct", "b direct"]);
  await a.close();
  // The mesh names it still.
  expect(await answers(client)).toEqual(["b direct"]);
});

test("calls go on while there is no control plane, and follow the next one", async () => {
  const [a, b] = await Promise.all([serve("a"), serve("b")]);
  put("4.0.0", [instance("a", 1, a.target)]);
  const client = newClient("4.0.0");
  await expect.poll(() => ask(client), patience).toBe("a direct");
  await rig.restartControl(async () => {
    expect(await answers(client)).toEqual(["a direct"]);
  });
  put("4.0.0", [instance("b", 1, b.target)]);
  await expect.poll(() => answers(client), patience).toEqual(["b direct"]);
});

test("what may not be called directly is answered by Envoy", async () => {
  const server = await serve("a");
  put("5.0.0", [instance("a", 1, server.target)]);
  const client = newClient("5.0.0");
  await expect.poll(() => ask(client), patience).toBe("a direct");
  rig.mesh.change(service, "5.0.0", (state) => ({
    ...state,
    activation: { generation: 2, stopped: { reason: "it is moved.", atMs: 1 } },
  }));
  await expect
    .poll(() => ask(client).catch(({ message }: RouseError) => message), patience)
    .toContain("it is moved");
});

test("outside of the mesh's own listener nobody is told where instances are", async () => {
  const server = await serve("a");
  rig.mesh.put(
    version(manifest(service, "6.0.0", { loadBalancing: "client" }), { generation: 1 }, [
      instance("a", 1, server.target),
    ]),
  );
  const client = createClient(echoDefinition, { target: rig.edge, balancing: "client", version: "6.0.0" });
  onTestFinished(() => client.close());
  await expect.poll(() => ask(client).catch(({ status }: RouseError) => status), patience).toBe("a envoy");
  expect(await answers(client)).toEqual(["a envoy"]);
});
