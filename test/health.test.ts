import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HealthClient, type ListHealthResponse } from "#proto/rouse/orchestrator/v1/health.ts";
import {
  OrchestratorClient,
  type WatchDecisionsResponse,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { liveVersions, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe, type ProbeOptions } from "./support/probe.ts";
import { rouse, rouseOk } from "./support/rouse.ts";

const service = "probe.v1.ProbeService";

describe("an instance that is not well", () => {
  let mesh: TestMesh;
  const probes: Probe[] = [];

  beforeAll(async () => {
    mesh = await startMesh({ runtime: "process" });
  });
  afterAll(async () => {
    await mesh?.close();
    for (const probe of probes) await probe.remove();
  });

  async function register(options: ProbeOptions, ...args: string[]) {
    const probe = await makeProbe(options);
    probes.push(probe);
    await probe.register(mesh.data, ...args);
  }

  const health = (): Promise<ListHealthResponse> =>
    withClient(HealthClient, mesh.control, (client) => unary(client, "listHealth", {}));
  const conditionOf = async (id: string) =>
    (await health()).instances.find(({ instanceId }) => instanceId === id)?.condition;
  const ids = async (version: string) =>
    (await liveVersions(mesh, service))
      .filter((one) => one.version === version)
      .flatMap(({ instances }) => instances.map(({ id }) => id));

  test("answers UNAVAILABLE, is quarantined and replaced, while its sibling serves", async () => {
    const version = "1.0.0";
    await register({ version, minInstances: 2 });
    using client = createProbeServiceClient({ target: mesh.edge, version, retries: 0 });
    await until("two instances serve", async () => (await ids(version)).length === 2);
    const { instance: sick } = await client.echo({ text: "fall ill" }, { deadlineMs: 30_000 });
    const answered = new Set<string>();
    let isCalling = true;
    const calling = (async () => {
      while (isCalling) {
        await client
          .echo({ text: "x" }, { deadlineMs: 30_000 })
          .then(({ instance }) => answered.add(instance))
          .catch(() => undefined);
        await sleep(10);
      }
    })();
    await until("it is quarantined", async () => (await conditionOf(sick))?.name === "quarantined");
    expect((await conditionOf(sick))?.reason).toMatch(/calls ended with a gateway or server error/);
    await until("another takes its place", async () => (await ids(version)).length === 3);
    answered.clear();
    await until("its sibling and the other serve", async () => answered.size === 2);
    await mesh.restart("control-plane", "SIGKILL");
    await until("the next leader knows of it", async () => {
      const known = await conditionOf(sick).catch(() => undefined);
      return (known?.strikes ?? 0) > 0;
    });
    expect(await rouseOk(["quarantine", "--data", mesh.data])).toContain(sick);
    isCalling = false;
    await calling;
    await until("a leader releases it", async () => {
      const { code, stderr } = await rouse(["quarantine", "release", sick, "--data", mesh.data]);
      if (code !== 0) expect(stderr).toMatch(/NOT_LEADING|UNAVAILABLE|NOT_QUARANTINED/);
      return code === 0;
    });
    await until("it is used again", async () => (await conditionOf(sick)) === undefined);
  });

  test("is replaced first when it is the only one, and its event loop is blocked", async () => {
    const version = "2.0.0";
    await register({ version });
    using client = createProbeServiceClient({ target: mesh.edge, version, retries: 0 });
    const { instance: blocked } = await client.echo({ text: "block 600000" }, { deadlineMs: 30_000 });
    await until("it is quarantined", async () => (await conditionOf(blocked))?.name === "quarantined");
    expect((await conditionOf(blocked))?.reason).toMatch(/its event loop has been blocked for/);
    // Envoy hears of it a moment later: a call that was sent before hangs.
    await until("another answers", async () => {
      const answer = await client.echo({ text: "x" }, { deadlineMs: 5_000 }).catch(() => undefined);
      return answer !== undefined && answer.instance !== blocked;
    });
    const live = (await liveVersions(mesh, service)).find((one) => one.version === version);
    expect(live?.generation).toBe(1);
    await mesh.killInstance(blocked);
    await until("nothing is held against it", async () => (await conditionOf(blocked)) === undefined);
  });

  test("refuses five calls in a row after many that went well: Envoy leaves it out, and it is suspect for that", async () => {
    const version = "3.0.0";
    await register({ version, minInstances: 2 });
    using client = createProbeServiceClient({ target: mesh.edge, version, retries: 0 });
    await until("two instances serve", async () => (await ids(version)).length === 2);
    const { instance: sick } = await client.echo({ text: "x" }, { deadlineMs: 30_000 });
    let well = 0;
    let refused = 0;
    const call = (text: string) =>
      client.echo({ text }, { deadlineMs: 30_000 }).then(
        ({ instance }) => {
          if (instance === sick) well++;
        },
        () => {
          refused++;
        },
      );
    // The share of its errors says nothing.
    while (well < 20) await call("x");
    while (refused < 5) await call(`refuse ${sick}`);
    const decisions = () =>
      withClient(OrchestratorClient, mesh.control, async (orchestrator) => {
        const stream = orchestrator.watchDecisions({});
        stream.on("error", () => undefined);
        const [told] = (await once(stream, "data")) as [WatchDecisionsResponse];
        stream.cancel();
        return told.decisions.filter(({ instance }) => instance === sick);
      });
    const reason = expect.stringMatching(/^the Envoy of host \S+ left it out after 5 errors in a row$/);
    await expect
      .poll(decisions, { timeout: 60_000 })
      .toContainEqual(expect.objectContaining({ kind: "suspect", reason }));
    // It is left out for 10 s only.
    const explained = async () => {
      for (let calls = 0; calls < 12; calls++) await call(`refuse ${sick}`);
      return rouseOk(["explain", service, version, "--data", mesh.data]);
    };
    await expect
      .poll(explained, { timeout: 60_000 })
      .toMatch(
        new RegExp(
          `^${sick} is left out by the Envoy of host \\S+ after 5 errors in a row, for \\d+ s now and \\d+ s more`,
          "m",
        ),
      );
  });
});
