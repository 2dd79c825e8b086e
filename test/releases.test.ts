import { afterAll, beforeAll, expect, test } from "vitest";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { liveVersions, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe, type ProbeOptions } from "./support/probe.ts";
import { rouse, rouseOk } from "./support/rouse.ts";

const service = "probe.v1.ProbeService";

/** A call that breaks is no matter of the mesh any more, so callers of the test repeat none. */
const noRetries = { retries: 0 };

let mesh: TestMesh;
const probes: Probe[] = [];

async function register(options: ProbeOptions, ...args: string[]): Promise<void> {
  const probe = await makeProbe(options);
  probes.push(probe);
  await probe.register(mesh.data, ...args);
}

beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  await register({ version: "1.0.0" }, "--tag", "release");
  const withoutTick = (contract: string) =>
    contract.replace("rpc Tick(TickRequest) returns (stream TickResponse);", "");
  await register({ version: "2.0.0", edit: withoutTick });
});
afterAll(async () => {
  await mesh?.close();
  for (const probe of probes) await probe.remove();
});

const ok = (...args: string[]) => rouseOk([...args, "--data", mesh.data]);
const client = () => createProbeServiceClient({ target: mesh.edge, ...noRetries });

test("a promotion that breaks callers says whom, and is overridden with a reason", async () => {
  using probe = client();
  for await (const { number } of probe.tick({ count: 1, intervalMs: 0 })) expect(number).toBe(1);

  const check = () => rouse(["promote", service, "2.0.0", "--check", "--data", mesh.data]);
  await until("the call is counted", async () =>
    (await check()).stdout.includes("called 1 time by 1 client"),
  );
  const { code, stdout } = await check();
  expect(code).toBe(1);
  expect(stdout).toBe(
    `release of ${service} names 1.0.0; moving it to 2.0.0 breaks callers:\n  breaking  removes \`ProbeService.Tick\`, called 1 time by 1 client in the last 7 days  (RPC_NO_DELETE)\n`,
  );
  const refused = await rouse(["promote", service, "2.0.0", "--to", "release", "--data", mesh.data]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("(FAILED_PRECONDITION, PROMOTION_BREAKS)");

  const words = await ok("promote", service, "2.0.0", "--to", "release", "--override", "Nobody ticks.");
  expect(words).toContain(`release of ${service} names 2.0.0; before it named 1.0.0`);
  expect(words).toContain(`put it back: rouse rollback ${service} --reason TEXT`);
  expect(await probe.echo({ text: "a" })).toMatchObject({ version: "2.0.0" });
  expect(await ok("reviews", service)).toContain("although it breaks callers: Nobody ticks.");
});

test("a rollback turns calls back at once, and none of them fails", async () => {
  using probe = client();
  using old = createProbeServiceClient({ target: mesh.edge, version: "1.0.0" });
  await old.echo({ text: "keep it warm" });
  const before = await probe.echo({ text: "first" });
  expect(before.version).toBe("2.0.0");

  // Calls without a pause between them, on several connections, while the tag moves.
  let going = true;
  const versions: string[][] = [];
  const callers = Array.from({ length: 4 }, async () => {
    using own = client();
    const seen: string[] = [];
    versions.push(seen);
    while (going) seen.push((await own.echo({ text: "x" })).version);
  });
  const has = (version: string) => versions.length === 4 && versions.every((seen) => seen.includes(version));
  await until("all callers reach 2.0.0", async () => has("2.0.0"));
  expect(await ok("rollback", service, "--reason", "It is slow.")).toBe(
    `release of ${service} names 1.0.0 again; before it named 2.0.0\n`,
  );
  await until("all callers reach 1.0.0", async () => has("1.0.0"));
  going = false;
  await Promise.all(callers);
  // Each caller went over once, and nobody was restarted.
  for (const seen of versions) {
    expect(seen.lastIndexOf("2.0.0")).toBeLessThan(seen.indexOf("1.0.0"));
  }
  const instances = (await liveVersions(mesh, service)).flatMap((version) => version.instances);
  expect(instances.map(({ id }) => id)).toContain(before.instance);

  expect(await ok("rollback", service, "--reason", "It was not.")).toContain("names 2.0.0 again");
  expect(await probe.echo({ text: "b" })).toMatchObject({ version: "2.0.0" });
  expect(await ok("history", service, "--limit", "1")).toMatch(
    /administrator +rolled back +2\.0\.0 +release +from 1\.0\.0: It was not\./,
  );
});

test("a version that needs approval runs as soon as it is approved", async () => {
  const approval = (contract: string) =>
    contract.replace("min_instances: 0", "min_instances: 1\n    approval: APPROVAL_RUNNING");
  await register({ version: "3.0.0", edit: approval });
  using next = createProbeServiceClient({ target: mesh.edge, version: "3.0.0", ...noRetries });
  const call = next.echo({ text: "too early" });
  await expect(call).rejects.toMatchObject({
    status: "FAILED_PRECONDITION",
    reason: "APPROVAL_PENDING",
    message: expect.stringContaining(`${service} 3.0.0 awaits approval and does not run until then.`),
  });
  // Not even its minimum runs, and nobody else is led to it.
  using latest = createProbeServiceClient({ target: mesh.edge, version: "3", ...noRetries });
  await expect(latest.echo({ text: "x" })).rejects.toMatchObject({ reason: "VERSION_UNKNOWN" });
  const shown = (await liveVersions(mesh, service)).find(({ version }) => version === "3.0.0");
  expect(shown?.instances).toEqual([]);
  const started = await rouse(["start", service, "3.0.0", "--data", mesh.data]);
  expect(started.stderr).toContain("(FAILED_PRECONDITION, APPROVAL_PENDING)");
  expect(await ok("services", service)).toMatch(/3\.0\.0 +pending/);

  const listed = await ok("reviews", "--open");
  const [, id = ""] = /^(\S+) +open +approval of probe\.v1\.ProbeService 3\.0\.0$/m.exec(listed) ?? [];
  expect(await ok("approve", id, "--message", "Looked at it.")).toBe(
    `approved: approval of ${service} 3.0.0, which administrator asked for\n`,
  );
  expect(await next.echo({ text: "now" })).toMatchObject({ text: "now", version: "3.0.0" });
  const again = await rouse(["deny", id, "--message", "No.", "--data", mesh.data]);
  expect(again.stderr).toMatch(
    /^administrator has approved review .*: Looked at it\. \(ABORTED, REVIEW_DECIDED\)/,
  );
});
