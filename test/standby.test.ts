import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentClient, type Instance, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { dockerRuntime } from "./support/runtimes.ts";

const service = "probe.v1.ProbeService";

const docker = await dockerRuntime();

for (const runtime of docker.available ? (["process", "docker"] as const) : (["process"] as const)) {
  describe(`standby by ${runtime}`, () => {
    let mesh: TestMesh;
    let probe: Probe;
    beforeAll(async () => {
      mesh = await startMesh({ runtime });
      probe = await makeProbe({ idleTimeout: "1s", standby: 1 });
      await probe.register(mesh.data);
    });
    afterAll(async () => {
      await mesh?.close();
      await probe?.remove();
    });

    const instances = async (): Promise<Instance[]> => {
      const all = await withClient(AgentClient, mesh.agent, (agent) => unary(agent, "listInstances", {}));
      const ended = new Set<string>([InstanceState.STOPPED, InstanceState.FAILED]);
      return all.instances.filter((one) => one.service === service && !ended.has(one.state));
    };
    const untilStandby = () =>
      until("it is on standby", async () => {
        const [one, ...more] = await instances();
        return more.length === 0 && one?.state === InstanceState.STANDBY;
      });

    test("an idle instance is frozen, and answers the next call", async () => {
      using client = createProbeServiceClient({ target: mesh.edge, version: "1.0.0" });
      const { instance } = await client.echo({ text: "cold" });
      for (const round of [1, 2, 3]) {
        await untilStandby();
        const answer = await client.echo({ text: String(round) }, { deadlineMs: 20_000 });
        expect(answer).toMatchObject({ text: String(round), instance });
      }
    });
  });
}
