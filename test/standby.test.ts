import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentClient, type Instance, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { State } from "#proto/rouse/registry/v1/registry.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { liveVersions, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { rouseOk } from "./support/rouse.ts";
import { dockerRuntime } from "./support/runtimes.ts";

const service = "probe.v1.ProbeService";
const docker = await dockerRuntime();

for (const runtime of docker.available ? (["process", "docker"] as const) : (["process"] as const)) {
  describe(`standby by ${runtime}`, () => {
    let mesh: TestMesh;
    const probes: Probe[] = [];
    beforeAll(async () => {
      // Room for one instance of 1.0.0 and for one of 2.0.0, but not for both.
      mesh = await startMesh({ runtime, args: ["--memory", "600"] });
      for (const version of ["1.0.0", "2.0.0"]) {
        const probe = await makeProbe({ version, idleTimeout: "1s", standby: 1, memory: "400Mi" });
        probes.push(probe);
        await probe.register(mesh.data);
      }
    });
    afterAll(async () => {
      await mesh?.close();
      for (const probe of probes) await probe.remove();
    });

    const client = (version: string) => createProbeServiceClient({ target: mesh.edge, version, retries: 0 });
    const instances = async (): Promise<Instance[]> => {
      const all = await withClient(AgentClient, mesh.agent, (agent) => unary(agent, "listInstances", {}));
      const ended = new Set<string>([InstanceState.STOPPED, InstanceState.FAILED]);
      return all.instances.filter((one) => one.service === service && !ended.has(one.state));
    };
    /** Resolves when one instance is left, frozen, and the registry says so. */
    const untilStandby = async (version: string): Promise<Instance> => {
      let found: Instance | undefined;
      await until(`${version} is on standby`, async () => {
        const [one, ...more] = await instances();
        found = one;
        if (more.length > 0 || one?.state !== InstanceState.STANDBY || one.version !== version) return false;
        return (await liveVersions(mesh, service)).some(
          (shown) => shown.version === version && shown.state === State.STANDBY,
        );
      });
      if (found === undefined) throw new Error("no instance");
      return found;
    };

    test("an idle instance is frozen, and answers the next call", async () => {
      using probe = client("1.0.0");
      const { instance } = await probe.echo({ text: "cold" }, { deadlineMs: 60_000 });
      for (const round of [1, 2, 3]) {
        await untilStandby("1.0.0");
        const answer = await probe.echo({ text: String(round) }, { deadlineMs: 60_000 });
        expect(answer).toMatchObject({ text: String(round), instance });
      }
    });

    test("a hundred calls at once wait for one thaw", async () => {
      await untilStandby("1.0.0");
      const clients = Array.from({ length: 10 }, () => client("1.0.0"));
      try {
        const calls = Array.from({ length: 100 }, (_, n) =>
          clients[n % 10]?.echo({ text: String(n) }, { deadlineMs: 60_000 }),
        );
        const answers = await Promise.all(calls);
        expect(new Set(answers.map((answer) => answer?.instance)).size).toBe(1);
      } finally {
        for (const each of clients) each.close();
      }
    });

    test("an instance that died while it was frozen is replaced, and calls are answered", async () => {
      const { id } = await untilStandby("1.0.0");
      await mesh.killInstance(id);
      using probe = createProbeServiceClient({ target: mesh.edge, version: "1.0.0", retries: 5 });
      let answeredBy = "";
      await until("a call is answered", async () => {
        const answer = await probe.echo({ text: "again" }, { deadlineMs: 60_000 }).catch((error) => {
          // The dead one's memory is not given back yet, which takes longer on a busy machine than a call is tried again.
          if (!String(error).includes("no host fits")) throw error;
        });
        answeredBy = answer?.instance ?? "";
        return answer?.text === "again";
      });
      expect(answeredBy).not.toBe(id);
    });

    test("what is on standby makes room for another version", async () => {
      const { id } = await untilStandby("1.0.0");
      using probe = client("2.0.0");
      expect(await probe.echo({ text: "2" }, { deadlineMs: 60_000 })).toMatchObject({ version: "2.0.0" });
      const all = await withClient(AgentClient, mesh.agent, (agent) => unary(agent, "listInstances", {}));
      expect(all.instances.find((one) => one.id === id)?.reason).toBe(
        `evicted from standby: ${service} 2.0.0 needs its place`,
      );
      await untilStandby("2.0.0");
      expect(await rouseOk(["status", "--data", mesh.data])).toContain("1 on standby: no CPU, 400 MiB");
    });

    test("one on standby survives its agent and its orchestrator", async () => {
      const before = await untilStandby("2.0.0");
      await mesh.restart("agent", "SIGKILL");
      await mesh.restart("control-plane", "SIGKILL");
      await untilStandby("2.0.0");
      using probe = client("2.0.0");
      expect(await probe.echo({ text: "still" }, { deadlineMs: 60_000 })).toMatchObject({
        instance: before.id,
      });
    });

    test("one on standby is stopped with its version", async () => {
      await untilStandby("2.0.0");
      await rouseOk(["stop", service, "2.0.0", "--reason", "for repair", "--data", mesh.data]);
      await until("it is gone", async () => (await instances()).length === 0);
    });
  });
}
