import { createHash, randomBytes } from "node:crypto";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentClient } from "#proto/rouse/agent/v1/agent.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { runningInstances, untilCold } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { dockerRuntime } from "./support/runtimes.ts";

const service = "probe.v1.ProbeService";
const runtimes = [{ runtime: "process" as const, available: true }, await dockerRuntime()];

for (const { runtime, available } of runtimes) {
  describe.skipIf(!available)(`a cold service in the runtime ${runtime}`, () => {
    let mesh: TestMesh;
    const probes: Probe[] = [];

    beforeAll(async () => {
      mesh = await startMesh({ runtime });
      for (const version of ["1.0.0", "2.0.0"]) {
        // A hundred calls that are let go at once are no reason for a second instance.
        const edit = (text: string) =>
          text.replace("min_instances: 0", "min_instances: 0 target_concurrency: 1000");
        const probe = await makeProbe({ version, idleTimeout: "1s", edit });
        probes.push(probe);
        await probe.register(mesh.data);
      }
    });
    afterAll(async () => {
      await mesh?.close();
      for (const probe of probes) await probe.remove();
    });

    function client(version: string) {
      return createProbeServiceClient({ target: mesh.edge, version });
    }

    test("answers a unary call", async () => {
      await untilCold(mesh, service);
      using probe = client("1.0.0");
      const answer = await probe.echo({ text: "hello" });
      expect(answer).toMatchObject({ text: "hello", version: "1.0.0" });
      // The call is answered ahead of Consul's news of the instance.
      await expect.poll(() => runningInstances(mesh, service)).toEqual([answer.instance]);
    });

    test("takes a client stream of 4 MB whole", async () => {
      await untilCold(mesh, service);
      const chunks = Array.from({ length: 64 }, () => randomBytes(64 * 1024));
      const hash = createHash("sha256");
      for (const chunk of chunks) hash.update(chunk);
      using probe = client("1.0.0");
      const answer = await probe.upload(
        (async function* () {
          for (const chunk of chunks) yield { chunk };
        })(),
      );
      expect(answer).toEqual({ bytes: BigInt(4 * 2 ** 20), digest: hash.digest("hex") });
    });

    test("holds a bidirectional stream and serves it", async () => {
      await untilCold(mesh, service);
      using probe = client("1.0.0");
      const answers: string[] = [];
      const stream = probe.chat(
        (async function* () {
          for (const text of ["a", "b", "c"]) yield { text };
        })(),
      );
      for await (const { text } of stream) answers.push(text);
      expect(answers).toEqual(["A", "B", "C"]);
    });

    test("starts one instance for a hundred first calls", async () => {
      await untilCold(mesh, service);
      const clients = Array.from({ length: 10 }, () => client("1.0.0"));
      try {
        const calls = Array.from({ length: 100 }, (_, n) => clients[n % 10]?.echo({ text: String(n) }));
        const answers = await Promise.all(calls);
        expect(new Set(answers.map((answer) => answer?.instance)).size).toBe(1);
        expect(answers.map((answer) => answer?.text)).toEqual(
          Array.from({ length: 100 }, (_, n) => String(n)),
        );
        await expect.poll(() => runningInstances(mesh, service)).toEqual([answers[0]?.instance]);
      } finally {
        for (const each of clients) each.close();
      }
    });

    test("wakes two versions at once", async () => {
      await untilCold(mesh, service);
      using one = client("1.0.0");
      using two = client("2.0.0");
      const answers = await Promise.all([one.echo({ text: "1" }), two.echo({ text: "2" })]);
      expect(answers.map(({ version }) => version)).toEqual(["1.0.0", "2.0.0"]);
      await expect.poll(() => runningInstances(mesh, service)).toHaveLength(2);
    });

    test("does not go idle during an open stream, however quiet it is", async () => {
      await untilCold(mesh, service);
      using probe = client("1.0.0");
      const numbers: number[] = [];
      // Two numbers, five idle timeouts apart.
      for await (const { number } of probe.tick({ count: 2, intervalMs: 5_000 })) {
        numbers.push(number);
        await expect.poll(() => runningInstances(mesh, service)).toHaveLength(1);
      }
      expect(numbers).toEqual([1, 2]);
      await untilCold(mesh, service);
    });

    test.runIf(runtime === "docker")(
      "starts the container that was created when it was registered",
      async () => {
        // Others on this machine may use the engine, too.
        const version = `3.0.0-t${randomBytes(4).toString("hex")}`;
        const probe = await makeProbe({ version });
        probes.push(probe);
        await probe.register(mesh.data);
        const filters = { label: [`rouse.version=${version}`, `rouse.service=${service}`] };
        const containers = async () => {
          const all = await new Docker().listContainers({ all: true, filters });
          return all.map(({ Id, State }) => ({ id: Id, state: State }));
        };
        await expect
          .poll(containers, { timeout: 60_000 })
          .toEqual([{ id: expect.any(String), state: "created" }]);
        const [ahead] = await containers();
        using caller = client(version);
        const { instance } = await caller.echo({ text: "x" });
        const { instances } = await withClient(AgentClient, mesh.agent, (agent) =>
          unary(agent, "listInstances", {}),
        );
        expect(instances.find(({ id }) => id === instance)?.runtimeId).toBe(ahead?.id);
      },
    );
  });
}
