import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { unary } from "../sdk/grpc.ts";
import { makeFolders } from "./folders.ts";
import { containersOf, findEngine, removeBundleImage } from "./testing/docker.ts";
import { failure, type Rig, startRig, until } from "./testing/rig.ts";

const { engine, missing } = await findEngine();

describe.skipIf(missing !== "")(`containers and their agent${missing && ` (skipped: ${missing})`}`, () => {
  let rig: Rig;
  let owner: string;
  beforeAll(async () => {
    rig = await startRig();
    owner = makeFolders(rig.dataDir).owner;
  });
  afterAll(async () => {
    await rig?.close();
    if (rig !== undefined) await removeBundleImage(engine, rig.bundle.digest);
    if (owner !== undefined) expect(await containersOf(engine, owner)).toEqual([]);
  });

  test("an agent that was killed is replaced by one that adopts what runs and removes the rest", async () => {
    const first = await rig.spawn("docker");
    const spec = rig.spec("serve");
    await unary(first.client, "prepareVersion", { fencingToken: 0, spec }, { deadlineMs: 60_000 });
    const { instance } = await first.start("adopted", spec);
    const doomed = await first.start("doomed", spec);
    const half = failure(first.start("half-started", rig.spec("hang")));
    await until("it starts", async () => (await first.get("half-started")).runtimeId !== "");
    const killed = once(first.child, "exit");
    first.child.kill("SIGKILL");
    await killed;
    await half;
    first.close();
    await engine.docker.getContainer(doomed.instance?.runtimeId ?? "").kill();

    const second = await rig.spawn("docker");
    expect(await second.get("adopted")).toMatchObject({
      state: InstanceState.SERVING,
      runtimeId: instance?.runtimeId,
      address: instance?.address,
    });
    await until(
      "the dead one is buried",
      async () => (await second.get("doomed")).state === InstanceState.FAILED,
    );
    expect((await second.get("doomed")).reason).toContain("was ended by SIGKILL");
    expect(await second.get("half-started")).toMatchObject({ state: InstanceState.FAILED });
    await until("Consul has only the living", async () => {
      const there = await rig.registered();
      return there.length === 1 && there[0]?.id === "adopted" && there[0].passing;
    });
    await until(
      "the version stands ready again",
      async () => (await unary(second.client, "getStatus", {})).precreated === 1,
    );
    await until("nothing else is left", async () => {
      const names = (await containersOf(engine, owner)).filter((name) => !name.includes("sandbox"));
      return names.length === 2;
    });
    await second.stop("adopted");
    second.child.kill("SIGUSR2");
    await once(second.child, "exit");
    second.close();
    expect(await containersOf(engine, owner)).toEqual([]);
  });

  test("an agent with another runtime removes what the former one left", async () => {
    const first = await rig.spawn("docker");
    await first.start("left", rig.spec("serve"));
    const killed = once(first.child, "exit");
    first.child.kill("SIGKILL");
    await killed;
    first.close();
    expect(await containersOf(engine, owner)).not.toEqual([]);
    const second = await rig.spawn("in-process");
    expect(await second.get("left")).toMatchObject({ state: InstanceState.FAILED });
    second.child.kill("SIGUSR2");
    await once(second.child, "exit");
    second.close();
    expect(await containersOf(engine, owner)).toEqual([]);
  });

  test.each([
    ["goes away", "refuse", 1],
    // As one does that first ends what it had.
    ["comes back and does not answer yet", "keep waiting", 2],
  ] as const)(
    "an engine that %s takes nothing along: what runs goes on, what ends is noticed, and nothing leaks when it answers",
    async (_, callers, n) => {
      const [staying, lost] = [`staying-${n}`, `lost-${n}`];
      const proxy = await engineProxy();
      const agent = await rig.start({ runtime: "docker", dockerHost: proxy.where });
      await agent.start(staying, rig.spec("serve"));
      const { instance } = await agent.start(lost, rig.spec("serve"));
      await until("Consul has them", async () => (await rig.registered()).length === 2);
      await until("they have settled", async () => {
        const names = await containersOf(engine, owner);
        return [lost, staying].every((id) => names.includes(`rouse-${id}`));
      });
      proxy.cut(callers);
      await engine.docker.getContainer(instance?.runtimeId ?? "").kill();
      await until("its end is noticed", async () => (await agent.get(lost)).state === InstanceState.FAILED);
      expect((await agent.get(lost)).reason).toMatch(/it ended while the Docker engine on tcp:.* was away/);
      await until("Consul has it no more", async () => (await rig.registered()).length === 1);
      expect(await agent.get(staying)).toMatchObject({ state: InstanceState.SERVING });
      const error = await failure(agent.start(`next-${n}`, rig.spec("serve")));
      expect(error).toMatchObject({ status: "UNAVAILABLE", reason: "ENGINE_UNAVAILABLE" });
      proxy.mend();
      await until("its container is gone", async () => {
        const names = await containersOf(engine, owner);
        return names.filter((name) => !/sandbox|slot/.test(name)).join() === `rouse-${staying}`;
      });
      expect(await agent.get(staying)).toMatchObject({ state: InstanceState.SERVING });
      await agent.stop(staying);
      expect((await agent.get(staying)).state).toBe(InstanceState.STOPPED);
      await agent.start(`after-${n}`, rig.spec("serve"));
      agent.close();
      await agent.agent?.close({ stopInstances: true });
      await proxy.close();
      expect(await containersOf(engine, owner)).toEqual([]);
    },
  );
});

/** Stands between agent and engine, and can be cut: then it refuses callers, or lets them wait until it is mended. */
async function engineProxy() {
  const sockets = new Set<Socket>();
  const waiting = new Set<Socket>();
  let state: "open" | "refuse" | "keep waiting" = "open";
  const path = engine.where.replace(/^unix:\/\//, "");
  const pass = (down: Socket) => {
    const up = engine.where.startsWith("unix:") ? connect(path) : connect(Number(new URL(engine.where).port));
    for (const socket of [down, up]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        down.destroy();
        up.destroy();
      });
    }
    down.pipe(up).pipe(down);
  };
  const server = createServer((down) => {
    if (state === "open") pass(down);
    else if (state === "refuse") down.destroy();
    else waiting.add(down.on("error", () => down.destroy()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    where: `tcp://127.0.0.1:${address.port}`,
    cut(callers: "refuse" | "keep waiting") {
      state = callers;
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      state = "open";
      for (const down of waiting) pass(down);
      waiting.clear();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
