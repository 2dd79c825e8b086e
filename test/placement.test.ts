import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { rouseExplain } from "./support/explain.ts";
import { runningInstances, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";

const service = "probe.v1.ProbeService";
const core = {
  minInstances: 2,
  edit: (contract: string) => contract.replace("standby:", "placement: {core: true} standby:"),
};

describe("a core service on one host", () => {
  let data: string;
  let mesh: TestMesh;
  let probe: Probe;
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), "rouse-mesh-"));
    [mesh, probe] = await Promise.all([startMesh({ runtime: "process", data }), makeProbe(core)]);
    await probe.register(mesh.data);
    await until(
      "an instance runs that nobody called",
      async () => (await runningInstances(mesh, service)).length === 1,
    );
  });
  afterAll(async () => {
    await mesh?.close();
    await probe?.remove();
    await rm(data, { recursive: true, force: true });
  });

  test("waits with its second instance for another host, and rouse explain says so", async () => {
    const [first, rules, ...lines] = await rouseExplain(mesh.data, service);
    expect(first).toBe(`${service} 1.0.0: 1 instance, 2 to 4 by its settings`);
    expect(rules).toBe("placement by its contract: with the mesh, one for each host");
    expect(lines).toContain("No host fits one more.");
    expect(lines.join("\n")).toMatch(
      /^What would help: add a host with [\d.]+ cores?, \d+ [MG]iB memory\.$/m,
    );
    expect(lines.join("\n")).toMatch(/runs an instance of it already$/);
    expect(lines.join("\n")).toMatch(/\n\S+ +\S+ +the only host: [\d.]+ = fit [\d.]+/);
  });

  test("why it is there outlives the control plane that placed it", async () => {
    const before = await rouseExplain(mesh.data, service);
    await mesh.restart("control-plane", "SIGKILL");
    await until("the next one leads and says the same", async () => {
      const now = await rouseExplain(mesh.data, service).catch((error) => [String(error)]);
      return now.join("\n") === before.join("\n");
    });
  });

  test("is replaced beside it when it hangs, as there is no other host", async () => {
    using client = createProbeServiceClient({ target: mesh.edge, retries: 0 });
    const { instance: hangs } = await client.echo({ text: "block 600000" }, { deadlineMs: 30_000 });
    await until("another runs", async () => (await runningInstances(mesh, service)).length === 2);
    await mesh.killInstance(hangs);
    await until("it alone is left", async () => {
      const now = await runningInstances(mesh, service);
      return now.length === 1 && now[0] !== hangs;
    });
  });

  test("an unknown service or version is told apart from one that fits nowhere", async () => {
    await expect(rouseExplain(mesh.data, "probe.v1.Nothing")).rejects.toThrow(/SERVICE_UNKNOWN/);
    await expect(rouseExplain(mesh.data, service, "9")).rejects.toThrow(/VERSION_UNKNOWN/);
  });

  test("whose bundle must be fetched starts once the registry is back", async () => {
    const [before] = await runningInstances(mesh, service);
    const bundles = join(data, "agent", "bundles");
    for (const name of await readdir(bundles)) await rm(join(bundles, name), { recursive: true });
    mesh.kill("registry");
    await mesh.killInstance(before ?? "");
    await until("another one runs", async () => {
      // The registry tells it.
      const now = await runningInstances(mesh, service).catch(() => []);
      return now.length === 1 && now[0] !== before;
    });
  });

  test("boots with the mesh, without a call", async () => {
    await mesh.end();
    mesh = await startMesh({ runtime: "process", data });
    await until("it runs again", async () => (await runningInstances(mesh, service)).length === 1);
  });
});
