import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { outsideOf } from "./runtimes/process-unit.ts";
import { findEngine, loadForeignImage, removeBundleImage } from "./testing/docker.ts";
import { check } from "./testing/health-check.ts";
import { failure, type Rig, startRig, type TestAgent } from "./testing/rig.ts";

/** An address of this machine that is not its loopback, such as a bridge's; undefined on a machine without any. */
const bind = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

test("an address is told as other hosts reach it, or not at all", () => {
  expect(outsideOf("127.0.0.1")).toBeUndefined();
  const outside = outsideOf("10.0.0.7");
  expect(outside?.("10.0.0.7:4711")).toBe("10.0.0.7:4711");
  expect(outside?.("0.0.0.0:4711")).toBe("10.0.0.7:4711");
  expect(outside?.("[::]:4711")).toBe("10.0.0.7:4711");
  for (const local of ["127.0.0.1:4711", "localhost:4711", "[::1]:4711", "unix:/run/a.sock"])
    expect(outside?.(local)).toBeUndefined();
});

describe.runIf(bind !== undefined)("on a host that others reach", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig();
  });
  afterAll(() => rig?.close());

  describe("in the process runtime", () => {
    let agent: TestAgent;
    beforeAll(async () => {
      agent = await rig.start({ runtime: "process", bind: bind ?? "" });
    });
    afterAll(() => agent?.agent?.close({ stopInstances: true }));

    test("an instance listens at the host's address", async () => {
      const { instance } = await agent.start("near", rig.spec("serve"));
      expect(instance?.address.startsWith(`${bind}:`)).toBe(true);
      expect(await check(instance?.address ?? "")).toBe(1);
    });

    test("one that listens for its own host only is refused, with the address", async () => {
      const error = await failure(agent.start("far", rig.spec("loopback")));
      expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "ADDRESS_OF_ONE_HOST" });
      expect(error.message).toMatch(
        /^test\.v1\.TestService 1\.0\.0 listens on 127\.0\.0\.1:\d+, where other hosts of the mesh cannot reach it\. Let it listen where ROUSE_LISTEN says\.$/,
      );
    });
  });

  describe("in the docker runtime", async () => {
    const { engine, missing } = await findEngine();
    const foreign = "rouse-test/foreign-outside:1";
    test.skipIf(missing !== "")(
      "containers are reached at the host's address, those of images too",
      async () => {
        const removeForeign = await loadForeignImage(engine, foreign);
        const agent = await rig.start({ runtime: "docker", bind: bind ?? "" });
        try {
          const { instance } = await agent.start("ours", rig.spec("serve"));
          expect(instance?.address).toMatch(new RegExp(`^${bind}:(?!50051)\\d+$`));
          expect(await check(instance?.address ?? "")).toBe(1);
          const spec = rig.spec("serve", { bundle: "", image: foreign, imagePort: 4747 });
          const { instance: theirs } = await agent.start("theirs", spec);
          expect(theirs?.address).toMatch(new RegExp(`^${bind}:(?!4747)\\d+$`));
        } finally {
          await agent.agent?.close({ stopInstances: true });
          await removeForeign();
          await removeBundleImage(engine, rig.bundle.digest);
        }
      },
    );
  });
});
