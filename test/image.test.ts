import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RouseError } from "../sdk/errors.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { liveVersions, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe, type ProbeOptions } from "./support/probe.ts";
import { rouseOk } from "./support/rouse.ts";
import { dockerRuntime } from "./support/runtimes.ts";

const service = "probe.v1.ProbeService";
const image = "rouse-test/probe:1";
const { available } = await dockerRuntime();

describe.skipIf(!available)("a version that runs an existing image", () => {
  let mesh: TestMesh;
  const probes: Probe[] = [];

  beforeAll(async () => {
    mesh = await startMesh({ runtime: "docker" });
  });
  afterAll(async () => {
    await mesh?.close();
    for (const probe of probes) await probe.remove();
  });

  async function register(options: ProbeOptions, ...args: string[]) {
    const probe = await makeProbe(options);
    probes.push(probe);
    await rouseOk(["build", probe.dir, "--image", image]);
    await probe.register(mesh.data, ...args);
  }

  async function refusal(version: string): Promise<string> {
    using client = createProbeServiceClient({ target: mesh.edge, version, retries: 0 });
    const thrown: unknown = await client.echo({ text: "x" }, { deadlineMs: 60_000 }).catch((error) => error);
    expect((thrown as RouseError).status).toBe("UNAVAILABLE");
    return (thrown as RouseError).message;
  }

  test("is started by its first call", async () => {
    await register({ version: "1.0.0" }, "--image", image, "--port", "50051");
    using client = createProbeServiceClient({ target: mesh.edge, version: "1.0.0" });
    expect(await client.echo({ text: "hi" })).toMatchObject({ text: "hi", version: "1.0.0" });
  });

  test("tells its callers how the container ended", async () => {
    await register({ version: "1.1.0" }, "--image", image, "--env", "PROBE_FAIL=exit");
    const message = await refusal("1.1.0");
    expect(message).toMatch(/exit code 3|code 3/);
    expect(message).toContain("probe: the data folder is missing");
  });

  test("tells its callers that it listens on another port", async () => {
    await register({ version: "1.2.0", startTimeout: "3s" }, "--image", image, "--env", "PROBE_FAIL=port");
    expect(await refusal("1.2.0")).toContain("50999");
  });

  test("tells its callers that there is no such image", async () => {
    await register({ version: "1.3.0" }, "--image", "rouse-test/nothing:1");
    expect(await refusal("1.3.0")).toContain("rouse-test/nothing:1");
  });
});

describe("a version with a minimum of instances", () => {
  let mesh: TestMesh;
  let probe: Probe;

  beforeAll(async () => {
    mesh = await startMesh({ runtime: "process" });
    probe = await makeProbe({ minInstances: 2, idleTimeout: "1s" });
    await probe.register(mesh.data);
  });
  afterAll(async () => {
    await mesh?.close();
    await probe?.remove();
  });

  const instances = async () => (await liveVersions(mesh, service)).flatMap((version) => version.instances);

  test("has them without a call, and has a lost one replaced", async () => {
    await until("two instances serve", async () => (await instances()).length === 2);
    const [lost] = await instances();
    await mesh.killInstance(lost?.id ?? "");
    await until("another one takes its place", async () => {
      const ids = (await instances()).map(({ id }) => id);
      return ids.length === 2 && !ids.includes(lost?.id ?? "");
    });
  });

  test("shares the calls between them", async () => {
    using client = createProbeServiceClient({ target: mesh.edge });
    const answered = new Set<string>();
    for (let n = 0; n < 20; n++) answered.add((await client.echo({ text: "x" })).instance);
    expect([...answered].sort()).toEqual((await instances()).map(({ id }) => id).sort());
  });
});
