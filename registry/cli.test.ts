import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { unary } from "../sdk/grpc.ts";
import { freePorts } from "../test/support/consul.ts";
import { root, rouse } from "../test/support/rouse.ts";
import { failure, type Rig, startRig } from "./testing/rig.ts";

const service = "probe.v1.ProbeService";
let rig: Rig;
let dir: string;
beforeAll(async () => {
  rig = await startRig();
  dir = await mkdtemp(join(tmpdir(), "rouse-test-cli-"));
  await cp(join(root, "test/fixtures/probe"), dir, { recursive: true });
  for (const made of ["gen", "dist"]) await rm(join(dir, made), { recursive: true, force: true });
  await mkdir(join(dir, "node_modules"), { recursive: true });
  await symlink(root, join(dir, "node_modules", "rouse"));
});
afterAll(async () => {
  await rig?.close();
  await rm(dir, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<{ code: number; out: string }> {
  const { code, stdout, stderr } = await rouse([...args, "--registry", rig.registry.address], {
    ROUSE_KEY: rig.key,
  });
  return { code, out: `${stdout}${stderr}`.trimEnd() };
}

/** Gives the contract another version, as its owner would. */
async function setVersion(from: string, to: string): Promise<void> {
  const file = join(dir, "proto/probe/v1/probe.proto");
  await writeFile(file, (await readFile(file, "utf8")).replace(`version: "${from}"`, `version: "${to}"`));
}

test("from nothing to a tagged, listed and removed service", async () => {
  expect(await run("services")).toEqual({
    code: 0,
    out: 'no service is registered; "rouse register" does it',
  });

  const first = await run("register", "--dir", dir);
  expect(first.code).toBe(0);
  expect(first.out).toMatch(
    /generated .*gen, for the contract is newer\nbundled .*bundle\.tar \(.* sha256 \w{12}\)\nuploads/,
  );
  expect(first.out).toContain(`registered ${service} 1.0.0 (cold; the first call starts it)`);
  expect(first.out).toContain(`call it: rouse call ${service}/`);
  expect(first.out).not.toContain("--version");

  const again = await run("register", "--dir", dir, "--tag", "release");
  expect(again.out).not.toMatch(/generated|uploads/);
  expect(again.out).toContain(`already registered, unchanged: ${service} 1.0.0`);
  expect(again.out).toContain("release → 1.0.0");

  const changed = await run("register", "--dir", dir, "--env", "MODE=fast");
  expect(changed.code).toBe(1);
  expect(changed.out).toContain('What differs: env.MODE (registered: none, now: "fast").');

  await setVersion("1.0.0", "1.1.0");
  const next = await run("register", "--dir", dir, "--env", "MODE=a=b", "--mount", "/tmp:/data");
  expect(next.out).toContain("for the contract is newer");
  expect(next.out).toMatch(/call it: rouse call .* --version 1\.1\.0$/);

  const list = await run("services");
  const lines = list.out.split("\n").map((line) => line.split(/ {2,}/).slice(0, 5));
  expect(lines).toEqual([
    ["SERVICE", "VERSION", "STATE", "RUNS", "TAGS"],
    [service, "1.1.0", "cold", "-", "-"],
    ["", "1.0.0", "cold", "-", "release"],
  ]);
  const json = JSON.parse((await run("services", service, "--json")).out) as { name: string }[];
  expect(json).toMatchObject([{ name: service, versions: [{ version: "1.1.0" }, { version: "1.0.0" }] }]);

  expect((await run("tag", service, "release", "1.0.0=95", "1.1.0=5")).out).toBe(
    `release of ${service} names 1.0.0 (95 %), 1.1.0 (5 %); before it named 1.0.0\nput it back: rouse tag ${service} release 1.0.0`,
  );
  expect((await run("tag", service, "release", "1.1.0")).out).toBe(
    `release of ${service} names 1.1.0; before it named 1.0.0 (95 %), 1.1.0 (5 %)\nput it back: rouse tag ${service} release 1.0.0=95 1.1.0=5`,
  );
  expect((await run("unregister", service, "1.1.0")).out).toContain("while the tag release names it");
  expect((await run("tag", service, "release", "--remove")).out).toBe(
    `release of ${service} is gone; before it named 1.1.0\nput it back: rouse tag ${service} release 1.1.0`,
  );
  expect((await run("services")).out).toContain("(default)");
  expect(await run("unregister", service, "1.1.0")).toEqual({
    code: 0,
    out: `unregistered ${service} 1.1.0; its bundle stays in the registry's folder`,
  });
});

test("an image instead of a bundle", async () => {
  await setVersion("1.1.0", "1.2.0");
  const { out } = await run(
    "register",
    "--dir",
    dir,
    "--image",
    "probe:1.2.0",
    "--port",
    "50051",
    "--command",
    "serve",
  );
  expect(out).toContain(`registered ${service} 1.2.0`);
  expect(out).not.toContain("bundled");
  const { artifact } = await unary(rig.client, "getManifest", { service, spec: "1.2.0" });
  expect(artifact?.kind?.value).toEqual({ name: "probe:1.2.0", port: 50051, command: ["serve"] });
});

test.each<[string[], string]>([
  [["register", "--env", "A"], "--env A has no value. Write --env NAME=VALUE."],
  [["register", "--mount", "/no/such"], "--mount /no/such: /no/such does not exist on this host."],
  [["register", "--mount", "/a:/b:/c"], "--mount /a:/b:/c is not SOURCE or SOURCE:TARGET."],
  [["register", "--port", "x"], '"x" is no port. Give a number from 1 to 65535.'],
  [["register", "--port", "50051"], "--port and --command belong to an image."],
  [["register", "--dir", "/nowhere"], '/nowhere/gen holds no manifest. Run "rouse gen"'],
  [["tag", service, "beta"], "Name the versions of the tag beta, or take it away by --remove."],
  [["tag", service, "beta", "1.0.0=0"], '"1.0.0=0" is not VERSION or VERSION=WEIGHT'],
  [["tag", service, "beta", "7.0.0"], `${service} has no version 7.0.0. Versions: `],
  [["services", "no.Such"], "No service no.Such is registered. Services: probe.v1.ProbeService."],
])("%j says what is wrong", async (args, text) => {
  const { code, out } = await run(...args);
  expect(code).toBe(1);
  expect(out).toContain(text);
});

test("rouse registry listens, says that Consul is away, and ends on SIGTERM", async () => {
  const [nobody = 0] = await freePorts(1);
  const data = await mkdtemp(join(tmpdir(), "rouse-test-cli-data-"));
  const args = [
    "registry",
    "--listen",
    "127.0.0.1:0",
    "--http",
    "127.0.0.1:0",
    "--consul",
    `127.0.0.1:${nobody}`,
    "--data",
    data,
  ];
  const child = spawn(process.execPath, [join(root, "cli/bin/rouse.mjs"), ...args], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    const address = /^registry listens on (127\.0\.0\.1:\d+), HTTP on/.exec(said.toString())?.[1];
    const client = new RegistryClient(address ?? "", credentials.createInsecure());
    const error = await failure(unary(client, "listServices", { service: "" }, { deadlineMs: 30_000 }));
    client.close();
    expect(error).toMatchObject({ status: "UNAVAILABLE", reason: "CONSUL_UNREACHABLE" });
    expect(error.message).toContain(`Consul at 127.0.0.1:${nobody} has not told what is registered yet`);
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
    await rm(data, { recursive: true, force: true });
  }
});
