import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { startTime } from "../setup/lock.mjs";
import { runningInstances, until } from "./support/live.ts";
import { type ChildName, startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { rouse, rouseOk } from "./support/rouse.ts";
import { dockerRuntime } from "./support/runtimes.ts";

const service = "probe.v1.ProbeService";
const children: ChildName[] = ["consul", "registry", "control-plane", "agent", "envoy"];
const anyPorts = ["edge", "mesh", "consul", "registry", "control", "agent", "envoy-admin"].flatMap((name) => [
  `--${name}-port`,
  "0",
]);

const cleanups: (() => Promise<unknown>)[] = [];
let probe: Probe;

beforeAll(async () => {
  probe = await makeProbe();
  return () => probe.remove();
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-up-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function start(...args: Parameters<typeof startMesh>): Promise<TestMesh> {
  const mesh = await startMesh(...args);
  cleanups.push(() => mesh.close());
  return mesh;
}

function echo(mesh: TestMesh, text: string): Promise<string> {
  return rouseOk(["call", `${service}/Echo`, JSON.stringify({ text }), "--data", mesh.data]);
}

/** Command lines of processes that have to do with a data folder. */
function processesOf(data: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      } catch {
        return "";
      }
    })
    .filter((command) => command.includes(data));
}

const runtimes = [{ runtime: "process" as const, available: true }, await dockerRuntime()];

for (const { runtime, available } of runtimes) {
  describe.skipIf(!available)(`rouse up with the runtime ${runtime}`, () => {
    test("leaves nothing behind at Ctrl-C, and finds its state at the next start", async () => {
      const data = await newFolder();
      const first = await start({ runtime, data });
      await probe.register(data);
      expect(await echo(first, "first")).toContain('"text":"first"');
      await expect.poll(() => runningInstances(first, service)).toHaveLength(1);

      expect(await first.end("SIGINT")).toBe(0);
      expect(processesOf(data)).toEqual([]);
      expect(readdirSync(join(data, "run")).filter((name) => name.endsWith(".sock"))).toEqual([]);
      expect(existsSync(join(data, "mesh.json"))).toBe(false);
      if (runtime === "docker") expect(await containersOf(data)).toEqual([]);

      const second = await start({ runtime, data });
      expect(await runningInstances(second, service)).toEqual([]);
      expect(await echo(second, "second")).toContain('"text":"second"');
    });
  });
}

/** Containers that the engine still has and that see the data folder. */
async function containersOf(data: string): Promise<string[]> {
  const { default: Docker } = await import("dockerode");
  const all = await new Docker().listContainers({ all: true });
  return all.filter(({ Mounts }) => Mounts.some(({ Source }) => Source.startsWith(data))).map(({ Id }) => Id);
}

describe("rouse up --examples, as npm start has it", () => {
  test("brings the examples, all cold, and what it prints is so", async () => {
    const mesh = await start({ runtime: "process", args: ["--examples"] });
    await until(
      "the examples are there",
      async () => mesh.output().includes("Ctrl-C stops everything"),
      180_000,
    );
    const said = mesh.output();
    expect(said).not.toContain("is left out");
    expect(said).toContain("Instances run in the process runtime: asked for.");
    const services = JSON.parse(await rouseOk(["services", "--json", "--data", mesh.data])) as {
      name: string;
      versions: { version: string; state: string }[];
    }[];
    const versions = services.flatMap(({ name, versions }) =>
      versions.map(({ version, state }) => `${name} ${version} ${state}`),
    );
    expect(versions).toEqual(
      expect.arrayContaining([
        "composition.v1.CompositionService 1.0.0 STATE_COLD",
        "genome.v1.GenomeService 1.0.0 STATE_COLD",
        "genome.v1.GenomeService 2.0.0 STATE_COLD",
      ]),
    );
    expect(versions.filter((line) => !line.endsWith(" STATE_COLD"))).toEqual([]);
    for (const [, url = ""] of said.matchAll(/^ {2}(?:site|Consul) +(http:\S+)/gm))
      expect((await fetch(url)).status, url).toBe(200);
    const tries = [...said.matchAll(/^ {2}npx rouse (.+)$/gm)].map(([, words = ""]) => words.split(" "));
    expect(tries.map(([verb]) => verb)).toEqual(["services", "call", "wakes"]);
    const answers: string[] = [];
    for (const words of tries)
      answers.push(await rouseOk([...words.map((word) => word.replace(/^'|'$/g, "")), "--data", mesh.data]));
    expect(answers[1]).toContain('"NC_001416.1"');
    expect(answers[2]).toContain("genome.v1.GenomeService 2.0.0 #1");
  });
});

describe("rouse up", () => {
  test("starts a child again that dies, and says so", async () => {
    const mesh = await start({ runtime: "process" });
    for (const name of children) {
      await mesh.restart(name, "SIGKILL");
      expect(mesh.output()).toContain(`${name} ended (ended by SIGKILL); it is started again in`);
    }
    await probe.register(mesh.data);
    expect(await echo(mesh, "again")).toContain('"text":"again"');
  });

  test("ends what a killed one has left, and finds its state", async () => {
    const data = await newFolder();
    const first = await start({ runtime: "process", data });
    await probe.register(data);
    const left = children.map((name) => ({
      pid: first.childPid(name),
      start: startTime(first.childPid(name)),
    }));
    await first.end("SIGKILL");

    const second = await start({ runtime: "process", data });
    expect(second.output()).toMatch(/Ended what a killed mesh had left: .*envoy/);
    for (const { pid, start } of left) expect(startTime(pid)).not.toBe(start);
    expect(await echo(second, "after")).toContain('"text":"after"');
    await until(
      "the instance is registered",
      async () => (await runningInstances(second, service)).length === 1,
    );
  });

  test("says which port is in use, by whom, and the flag that changes it", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    cleanups.push(() => new Promise((resolve) => holder.close(resolve)));
    const { port } = holder.address() as AddressInfo;
    const data = await newFolder();
    const { code, stderr } = await rouse(["up", "--data", data, ...anyPorts, "--consul-port", String(port)]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(
        `^Port ${port} for Consul is in use by process ${process.pid} \\(.+\\): stop that, or choose another port with --consul-port`,
        "m",
      ),
    );
    expect(processesOf(data)).toEqual([]);
  });

  test("refuses a data folder in which a mesh runs", async () => {
    const mesh = await start({ runtime: "process" });
    const { code, stderr } = await rouse(["up", "--data", mesh.data, ...anyPorts]);
    expect(code).toBe(1);
    expect(stderr).toContain(
      `The data folder ${mesh.data} is in use by a mesh that runs (process ${mesh.pid}): stop that one, or name another folder with --data.`,
    );
  });

  test("refuses a data folder whose sockets' paths would be too long", async () => {
    const data = join(await newFolder(), "a".repeat(100));
    const { code, stderr } = await rouse(["up", "--data", data, ...anyPorts]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot be used \(its path is \d+ bytes too long for a unix socket in it\)/);
  });

  test.each([
    [["--edge-port", "80800"], '"80800" is no port: give a number from 0 (any free one) to 65535.'],
    [["--trace-sampling", "2"], '"2" is no share: give a number from 0 (none) to 1 (every call).'],
    [["--otlp", "nowhere"], '"nowhere" is no address: give host:port'],
    [["--listen-host", "here"], '"here" is no IPv4 address: give one of this machine, or 0.0.0.0 for all.'],
    [["--otlp", "no-such-host.invalid:4317"], "--otlp no-such-host.invalid:4317: the host cannot be found"],
    [["--runtime", "podman"], "Allowed choices are auto, docker, process, in-process."],
  ])("refuses %j", async (flags, message) => {
    const { code, stderr } = await rouse(["up", "--data", await newFolder(), ...anyPorts, ...flags]);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });

  test("says why a child did not start, and leaves nothing running", async () => {
    const data = await newFolder();
    const { code, stderr } = await rouse(["up", "--data", data, ...anyPorts, "--runtime", "docker"], {
      DOCKER_HOST: `unix://${data}/nothing.sock`,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^agent did not start \(exit code 1\): .*nothing\.sock.* Its log: .+agent\.log/m);
    expect(processesOf(data)).toEqual([]);
    expect(readdirSync(join(data, "run")).filter((name) => name.endsWith(".sock"))).toEqual([]);
  });

  test("names a tool of the wrong version", async () => {
    const data = await newFolder();
    const { code, stderr } = await rouse(["up", "--data", data, ...anyPorts], {
      CONSUL_BIN: process.execPath,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/CONSUL_BIN names .+, which .+; Rouse needs Consul ~1\.22\.0/);
  });
});
