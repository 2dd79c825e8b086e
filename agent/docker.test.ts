import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InstanceState, type LogLine } from "#proto/rouse/agent/v1/agent.ts";
import { unary } from "../sdk/grpc.ts";
import { makeFolders } from "./folders.ts";
import { containersOf, findEngine, loadForeignImage, removeBundleImage } from "./testing/docker.ts";
import { check } from "./testing/health-check.ts";
import { failure, type Rig, startRig, type TestAgent, until } from "./testing/rig.ts";

const { engine, missing } = await findEngine();
const foreign = "rouse-test/foreign:1";

describe.skipIf(missing !== "")(
  `an agent with the docker runtime${missing && ` (skipped: ${missing})`}`,
  () => {
    let rig: Rig;
    let agent: TestAgent;
    let owner: string;
    let removeForeign: () => Promise<void>;
    beforeAll(async () => {
      rig = await startRig();
      owner = makeFolders(rig.dataDir).owner;
      removeForeign = await loadForeignImage(engine, foreign);
      agent = await rig.start({ runtime: "auto" });
    });
    afterAll(async () => {
      agent?.close();
      await rig?.close();
      await removeForeign?.();
      if (rig !== undefined) await removeBundleImage(engine, rig.bundle.digest);
      if (owner !== undefined) expect(await containersOf(engine, owner)).toEqual([]);
    });

    const image = (mode: string, changes = {}) => rig.spec(mode, { bundle: "", image: foreign, ...changes });
    const inspect = async (id: string) =>
      engine.docker.getContainer((await agent.get(id)).runtimeId).inspect();
    const instances = async () =>
      (await containersOf(engine, owner)).filter((name) => !name.includes("sandbox"));

    test("chooses docker when an engine answers, and says so", async () => {
      const status = await unary(agent.client, "getStatus", {});
      expect(status).toMatchObject({ runtime: "docker", unenforced: [] });
      const { LiveRestoreEnabled } = await engine.docker.info();
      expect(status.warnings).toHaveLength(LiveRestoreEnabled ? 0 : 1);
      expect(status.runtimeReason).toMatch(/^\w+ [\d.]+\S* answers on \S+$/);
    });

    test("starts, announces, stops and leaves nothing", async () => {
      const { instance } = await agent.start("life", rig.spec("serve"));
      expect(instance).toMatchObject({ state: InstanceState.SERVING, runtime: "docker" });
      expect(instance?.address).toMatch(/^\d+\.\d+\.\d+\.\d+:50051$/);
      expect(await check(instance?.address ?? "")).toBe(1);
      await until("Consul has it", async () => (await rig.registered()).some(({ passing }) => passing));
      await agent.stop("life");
      expect(await rig.registered()).toEqual([]);
      expect(await instances()).toEqual([]);
      expect(await agent.get("life")).toMatchObject({ state: InstanceState.STOPPED });
    });

    test("starts the pre-created container of a prepared version, and makes the next", async () => {
      const spec = rig.spec("serve");
      const prepared = await unary(
        agent.client,
        "prepareVersion",
        { fencingToken: 0, spec },
        { deadlineMs: 60_000 },
      );
      expect(prepared.precreated).toBe(true);
      const [ahead] = await instances();
      const { Id } = await engine.docker.getContainer(ahead ?? "").inspect();
      const { instance } = await agent.start("ahead", spec);
      expect(instance?.runtimeId).toBe(Id);
      // Compiled ahead, by a container that is gone and ran nothing of the service.
      const cache = (await inspect("ahead")).Mounts.find(
        ({ Destination }) => Destination === "/var/cache/node",
      );
      expect(cache).toMatchObject({ RW: false });
      await until("the next one is there", async () => (await instances()).length === 2);
      await until("it has its name and its limit", async () => {
        const { Name, HostConfig } = await inspect("ahead");
        return Name === "/rouse-ahead" && HostConfig.NanoCpus === 0.25e9;
      });
      // Another spec of the same version is another container.
      const other = await agent.start("other", rig.spec("serve", { env: { MODE: "serve", MORE: "1" } }));
      expect((await inspect("other")).Config.Env).toContain("MORE=1");
      expect(other.instance?.runtimeId).not.toBe(instance?.runtimeId);
      await agent.stop("ahead");
      await agent.stop("other");
      await unary(agent.client, "forgetVersion", {
        fencingToken: 0,
        service: spec.service,
        version: spec.version,
      });
      expect(await instances()).toEqual([]);
      // Forgetting takes the bundle along.
      expect(existsSync(join(rig.dataDir, "agent", "bundles", `${spec.bundle}.tar`))).toBe(false);
      await copyBundle(rig);
    });

    test("locks containers down", async () => {
      await agent.start("locked", rig.spec("serve"));
      const { HostConfig, Config, Mounts } = await inspect("locked");
      expect(HostConfig).toMatchObject({
        Memory: 128 * 2 ** 20,
        MemorySwap: 128 * 2 ** 20,
        ReadonlyRootfs: true,
        CapDrop: ["ALL"],
        SecurityOpt: ["no-new-privileges:true"],
        Init: true,
        PidsLimit: 512,
      });
      expect(HostConfig.NetworkMode).toMatch(/^container:/);
      expect(HostConfig.LogConfig?.Config).toHaveProperty("max-size");
      expect(Config.User).toMatch(/^[1-9]\d*:\d+$/);
      expect(Mounts).toHaveLength(1);
      expect(Mounts[0]).toMatchObject({ Destination: "/run/rouse", RW: false });
      await agent.stop("locked");
    });

    test("mounts what is declared, for reading", async () => {
      const mounts = [{ source: join(rig.dataDir, "mesh.txt"), target: "/data/mesh.txt" }];
      expect(await failure(agent.start("unmounted", rig.spec("serve", { mounts })))).toMatchObject({
        reason: "MOUNT_MISSING",
      });
      const there = [{ source: rig.bundle.file, target: "/data/bundle.tar" }];
      await agent.start("mounted", rig.spec("serve", { mounts: there }));
      const { Mounts } = await inspect("mounted");
      expect(Mounts.find(({ Destination }) => Destination === "/data/bundle.tar")?.RW).toBe(false);
      await agent.stop("mounted");
    });

    test("says how one ended that exits at once", async () => {
      const error = await failure(agent.start("exits", rig.spec("exit")));
      expect(error).toMatchObject({ status: "ABORTED", reason: "INSTANCE_EXITED" });
      expect(error.message).toContain("exited with code 3");
      expect(error.message).toContain("no configuration: giving up");
      expect(await instances()).toEqual([]);
    });

    test("says that one never got ready", async () => {
      const error = await failure(agent.start("hangs", rig.spec("hang", { startTimeoutMs: 1_000 })));
      expect(error).toMatchObject({ status: "DEADLINE_EXCEEDED", reason: "START_TIMEOUT" });
      expect(error.message).toContain("it runs, but listens nowhere");
    });

    test("says that one ignores its port", async () => {
      const error = await failure(agent.start("other-port", image("other-port", { startTimeoutMs: 2_000 })));
      expect(error).toMatchObject({ status: "DEADLINE_EXCEEDED", reason: "WRONG_PORT" });
      expect(error.message).toContain("it listens on 0.0.0.0:4040 instead of port 50051");
      expect(error.message).toContain("foreign words on port 4040");
    });

    test("says that one speaks no HTTP/2", async () => {
      const error = await failure(agent.start("http1", image("http1")));
      expect(error).toMatchObject({ status: "ABORTED", reason: "NOT_HTTP2" });
      expect(error.message).toContain(
        'opened port 50051, but speaks no HTTP/2 there (it answered "HTTP/1.1 400 Bad Request")',
      );
    });

    test("says that an image cannot be had", async () => {
      const error = await failure(
        agent.start("lost", image("serve", { image: "127.0.0.1:9/nobody/nothing:1" })),
      );
      expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "IMAGE_NOT_FOUND" });
      expect(error.message).toContain(
        '"127.0.0.1:9/nobody/nothing:1" is not on this host and cannot be pulled',
      );
    });

    test("says that one used too much memory, at its start and later", async () => {
      const error = await failure(agent.start("hog", rig.spec("hog-at-start")));
      expect(error).toMatchObject({ status: "ABORTED", reason: "INSTANCE_OUT_OF_MEMORY" });
      const { instance } = await agent.start("late-hog", rig.spec("hog"));
      await check(instance?.address ?? "").catch(() => {});
      await until("it is killed", async () => (await agent.get("late-hog")).state === InstanceState.FAILED);
      expect((await agent.get("late-hog")).reason).toContain(
        "used more than its 128 MiB of memory and was killed",
      );
      await until("Consul has it no more", async () => (await rig.registered()).length === 0);
    });

    test("runs an image of others: no SDK, no health service, its own port or PORT", async () => {
      const { instance } = await agent.start("foreign", image("serve"));
      expect(instance?.address).toMatch(/:50051$/);
      expect((await inspect("foreign")).Config.User).not.toBe("");
      await agent.stop("foreign");
      const own = image("serve", { imagePort: 6060, imageCommand: ["/app/main.mjs", "--some", "argument"] });
      expect((await agent.start("own-port", own)).instance?.address).toMatch(/:6060$/);
      expect((await inspect("own-port")).Config.Cmd).toEqual(own.imageCommand);
      await agent.stop("own-port");
    });

    test("stops one half-way through its start", async () => {
      const starting = failure(agent.start("half", rig.spec("hang")));
      await agent.stop("half");
      expect(await starting).toMatchObject({ status: "CANCELLED", reason: "START_STOPPED" });
      expect(await instances()).toEqual([]);
      const later = failure(agent.start("later-half", rig.spec("hang")));
      await until("its container runs", async () => (await agent.get("later-half")).runtimeId !== "");
      await agent.stop("later-half");
      expect(await later).toMatchObject({ reason: "START_STOPPED" });
      expect(await instances()).toEqual([]);
    });

    test("follows output with its times, and keeps that of the dead", async () => {
      await agent.start("chatty", rig.spec("chatty"));
      const call = agent.client.logs({
        instanceId: "chatty",
        service: "",
        version: "",
        tail: 0,
        follow: true,
      });
      call.on("error", () => {});
      const lines: LogLine[] = [];
      for await (const line of call as AsyncIterable<LogLine>) {
        lines.push(line);
        if (lines.length === 10) break;
      }
      call.cancel();
      expect(lines[0]?.line).toBe("listening with an asset");
      expect(lines.every(({ atMs }) => Math.abs(atMs - Date.now()) < 600_000)).toBe(true);
      await agent.stop("chatty");
      const dead = agent.client.logs({
        instanceId: "chatty",
        service: "",
        version: "",
        tail: 1,
        follow: false,
      });
      for await (const { line } of dead as AsyncIterable<LogLine>) expect(line).toBe("told to end");
    });

    test("says that somebody removed the container", async () => {
      const { instance } = await agent.start("removed", rig.spec("serve"));
      await engine.docker.getContainer(instance?.runtimeId ?? "").remove({ force: true });
      await until("it has failed", async () => (await agent.get("removed")).state === InstanceState.FAILED);
      await until("Consul has it no more", async () => (await rig.registered()).length === 0);
    });
  },
);

test("docker is refused when no engine answers, and auto takes processes and says why", async () => {
  const rig = await startRig();
  try {
    const dockerHost = `unix://${rig.dataDir}/nobody.sock`;
    const error = await failure(rig.start({ runtime: "docker", dockerHost }));
    expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "ENGINE_MISSING" });
    expect(error.message).toContain(`No Docker engine answers on ${dockerHost}`);
    const agent = await rig.start({ runtime: "auto", dockerHost });
    const status = await unary(agent.client, "getStatus", {});
    expect(status.runtime).toBe("process");
    expect(status.runtimeReason).toContain(`No Docker engine answers on ${dockerHost}`);
    agent.close();
  } finally {
    await rig.close();
  }
});

async function copyBundle(rig: Rig): Promise<void> {
  const { createWriteStream } = await import("node:fs");
  const { pipeline } = await import("node:stream/promises");
  const target = join(rig.dataDir, "agent", "bundles", `${rig.bundle.digest}.tar`);
  await pipeline(createReadStream(rig.bundle.file), createWriteStream(target));
}
