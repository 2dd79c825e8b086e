import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { type CommandResult, root, rouse, rouseOk } from "./support/rouse.ts";

const service = "probe.v1.ProbeService";

let mesh: TestMesh;
let probe: Probe;

beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  probe = await makeProbe();
  const main = join(probe.dir, "src/main.ts");
  await writeFile(main, `console.log("the probe begins");\n${await readFile(main, "utf8")}`);
  await probe.register(mesh.data, "--tag", "release");
});
afterAll(async () => {
  await probe?.remove();
  await mesh?.close();
});

const ok = (...args: string[]) => rouseOk([...args, "--data", mesh.data]);
const fails = async (...args: string[]) => {
  const { code, stdout, stderr } = await rouse([...args, "--data", mesh.data]);
  expect(code).toBe(1);
  expect(stdout).toBe("");
  return stderr.trim();
};

/** Runs a command that is watched while it runs. */
const start = (...args: string[]) =>
  spawn(process.execPath, [`${root}/cli/bin/rouse.mjs`, ...args, "--data", mesh.data]);

/** Runs a command with lines on its stdin. */
function withInput(input: string, ...args: string[]): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = start(...args);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => (stdout += chunk));
    child.stderr.on("data", (chunk) => (stderr += chunk));
    child.on("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
    child.stdin.end(input);
  });
}

const lines = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("rouse call", () => {
  test("a unary method, by the edge and by the internal listener", async () => {
    for (const flags of [[], ["--edge"], ["--mesh"], ["--version", "^1.0.0"], ["--version", "release"]]) {
      const [answer] = lines(await ok("call", `${service}/Echo`, '{"text": "hello"}', ...flags));
      expect(answer).toMatchObject({ text: "hello", version: "1.0.0" });
    }
  });

  test("a server stream: a line for each response", async () => {
    const answers = lines(await ok("call", `${service}/Tick`, '{"count": 3}'));
    expect(answers).toEqual([{ number: 1 }, { number: 2 }, { number: 3 }]);
  });

  test("a client stream from arguments, with bytes and 64-bit numbers as JSON has them", async () => {
    const [answer] = lines(await ok("call", `${service}/Upload`, '{"chunk": "AAEC"}', '{"chunk": "Aw=="}'));
    expect(answer).toMatchObject({ bytes: "4" });
  });

  test("a bidirectional stream from stdin", async () => {
    const { code, stdout } = await withInput(
      '{"text": "a"}\n\n{"text": "b"}\n',
      "call",
      `${service}/Chat`,
      "-",
    );
    expect(code).toBe(0);
    expect(lines(stdout).map(({ text }) => text)).toEqual(["A", "B"]);
  });

  test("a unary method with its request from stdin, over several lines", async () => {
    const { stdout } = await withInput('{\n  "text": "piped"\n}\n', "call", `${service}/Echo`, "-");
    expect(lines(stdout)).toMatchObject([{ text: "piped" }]);
  });

  test("shows headers and the time on request", async () => {
    const { stderr } = await rouse(["call", `${service}/Echo`, "-v", "--data", mesh.data]);
    expect(stderr).toMatch(/< status 0 after [\d.]+ ms/);
  });

  test("ends at its deadline", async () => {
    const { code, stderr } = await rouse([
      ...[
        "call",
        `${service}/Tick`,
        '{"count": 1000, "intervalMs": 1000}',
        "--deadline",
        "300",
        "--data",
        mesh.data,
      ],
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain("DEADLINE_EXCEEDED");
  });

  test("says what is wrong with the method", async () => {
    expect(await fails("call", `${service}/Ekko`)).toBe(
      `${service} 1.0.0 has no method Ekko; it has Echo, Upload, Tick, Chat, Relay, Wait, Descend. (NOT_FOUND, METHOD_UNKNOWN)`,
    );
    expect(await fails("call", service)).toBe(
      `Name a method of ${service} 1.0.0; it has Echo, Upload, Tick, Chat, Relay, Wait, Descend. (NOT_FOUND, METHOD_UNKNOWN)`,
    );
    expect(await fails("call", "a/b/c")).toMatch(/^"a\/b\/c" is no method: write SERVICE\/METHOD/);
    expect(await fails("call", "no.v1.Such/Echo")).toContain("SERVICE_UNKNOWN");
    expect(await fails("call", `${service}/Echo`, "--version", "7")).toContain("1.0.0");
  });

  test("says what is wrong with the request", async () => {
    expect(await fails("call", `${service}/Echo`, '{"text": }')).toMatch(
      /^The request is not JSON: Unexpected token '}'.* \(INVALID_ARGUMENT, REQUEST_INVALID\)$/,
    );
    expect(await fails("call", `${service}/Echo`, '{"txet": "x"}')).toMatch(
      /^The request is no probe\.v1\.EchoRequest: .*"txet"/,
    );
    expect(await fails("call", `${service}/Upload`, "{}", '{"chunk": 3}')).toMatch(
      /^Request 2 is no probe\.v1\.UploadRequest: .*chunk/,
    );
    expect(await fails("call", `${service}/Echo`, "{}", "{}")).toMatch(
      /^Echo takes one request, and there are 2/,
    );
    const { stderr } = await withInput('{"text": "a"}\nnonsense\n', "call", `${service}/Chat`, "-");
    expect(stderr).toMatch(/Line 2 of stdin is not JSON: /);
  });

  test("says what is wrong with the flags", async () => {
    expect(await fails("call", `${service}/Echo`, "--edge", "--mesh")).toMatch(
      /^--edge and --mesh exclude each other/,
    );
    expect(await fails("call", `${service}/Echo`, "-H", "nocolon")).toMatch(
      /^-H "nocolon" is no header \(it has no colon\): write -H name:value\./,
    );
    expect(await fails("call", `${service}/Echo`, "--deadline", "soon")).toContain('"soon" is no count');
  });
});

test("rouse wakes shows the stages of a cold start", async () => {
  await ok("call", `${service}/Echo`);
  const text = await ok("wakes", service);
  expect(text).toMatch(new RegExp(`^${service} 1\\.0\\.0 #1 · on .+ · trace [0-9a-f]{32}$`, "m"));
  expect(text).toMatch(/^held calls [\d.]+ ms$/m);
  for (const stage of ["placed", "created", "started", "ready", "pushed", "released"])
    expect(text).toMatch(new RegExp(`^[├└]─ ${stage} +[\\d.]+ ms`, "m"));
  expect(await fails("wakes", "no.v1.Such")).toContain("SERVICE_UNKNOWN");
});

test("rouse logs shows what instances wrote", async () => {
  await ok("call", `${service}/Echo`);
  await until("the instance's output is there", async () =>
    /probe-service\S+ \| the probe begins/.test(await ok("logs", service)),
  );
  const [line] = lines(await ok("logs", service, "--json", "--tail", "1"));
  expect(line).toMatchObject({ stream: "stdout", text: "the probe begins" });
  expect(await fails("logs", "no.v1.Such")).toContain("SERVICE_UNKNOWN");
  expect(await fails("logs", service, "--since", "yesterday")).toContain('"yesterday" is no span of time');
  const long = await fails("logs", service, "--contains", "x".repeat(2_000));
  expect(long).toContain("LOG_QUERY_INVALID");
  expect(await fails("logs", service, "--version", "9.0.0")).toContain("VERSION_UNKNOWN");
});

test("rouse usage says what it cannot answer", async () => {
  expect(await fails("usage", "--by", "colour")).toContain(
    "Allowed choices are service, version, method, caller",
  );
  expect(await fails("usage", "--step", "1s")).toContain("USAGE_QUERY_INVALID");
  expect(await ok("usage", "no.v1.Such")).toContain("No call is counted in this time");
});

test("rouse status shows every part", async () => {
  await ok("call", `${service}/Echo`);
  await until("it shows the warm version", async () =>
    (await ok("status")).includes(`${service}  1.0.0    warm`),
  );
  const text = await ok("status");
  for (const name of ["consul", "registry", "control-plane", "agent", "envoy"])
    expect(text).toMatch(new RegExp(`^${name} +\\d+ +ready$`, "m"));
  expect(text).toMatch(/^orchestrator .+ leads \(token \d+\)/m);
  for (const type of ["cluster", "endpoint", "listener", "route"])
    expect(text).toMatch(new RegExp(`${type} +\\d+ +\\d+ +0 +accepted$`, "m"));
  const status = JSON.parse(await ok("status", "--json"));
  expect(status).toMatchObject({ mesh: { edge: mesh.edge }, orchestrator: { leading: true } });
});

test("rouse stop takes a version out of use, and rouse start back", async () => {
  await ok("call", `${service}/Echo`);
  expect(await ok("stop", service, "1.0.0", "--reason", "being repaired")).toBe(
    `${service} 1.0.0 is stopped: 1 instance ends when its calls are done. To start it again: rouse start ${service} 1.0.0\n`,
  );
  await until("calls are refused", async () => {
    const { code, stderr } = await rouse(["call", `${service}/Echo`, "--data", mesh.data]);
    return code === 1 && stderr.includes("being repaired") && stderr.includes("UNAVAILABLE");
  });
  expect(await ok("status")).toContain("being repaired");
  expect(await ok("start", service, "1.0.0")).toMatch(/serves: instance .+ on /);
  await until("calls are answered", async () => {
    return (await rouse(["call", `${service}/Echo`, "--data", mesh.data])).code === 0;
  });
  expect(await fails("stop", service, "1.0.0")).toContain("--reason");
  expect(await fails("start", service, "9.0.0")).toContain("VERSION_UNKNOWN");
  expect(await fails("start", "no.v1.Such", "1.0.0")).toContain("SERVICE_UNKNOWN");
});

test("rouse unregister waits until a stopped version has ended", async () => {
  const other = await makeProbe({ version: "1.5.0" });
  try {
    await other.register(mesh.data);
    await ok("start", service, "1.5.0");
    const unregister = ["unregister", service, "1.5.0"];
    await until("it is known to run", async () =>
      (await fails(...unregister)).startsWith(
        `${service} 1.5.0 has 1 instance running. Stop it first: rouse stop ${service} 1.5.0 --reason "`,
      ),
    );
    // A call that goes on keeps the instance until it is over.
    const call = ["call", `${service}/Tick`, '{"count": 300, "intervalMs": 100}', "--version", "1.5.0"];
    const caller = start(...call);
    await once(caller.stdout, "data");
    const stopped = await ok("stop", service, "1.5.0", "--reason", "it is removed");
    expect(stopped).toContain("1 instance ends when its calls are done");
    expect(await fails(...unregister, "--wait", "1")).toBe(
      `${service} 1.5.0 is stopped; waiting at most 1 s for its instances to end (1) …\n` +
        `${service} 1.5.0 is stopped, but 1 instance of it has not ended yet. Remove it when "rouse status" shows none any more. (FAILED_PRECONDITION, VERSION_STOPPING)`,
    );
    const waiting = start(...unregister);
    let stdout = "";
    waiting.stdout.on("data", (chunk) => (stdout += chunk));
    const [progress] = await once(waiting.stderr, "data");
    expect(String(progress)).toBe(
      `${service} 1.5.0 is stopped; waiting at most 60 s for its instances to end (1) …\n`,
    );
    caller.kill();
    expect(await once(waiting, "close")).toEqual([0, null]);
    expect(stdout).toContain(`unregistered ${service} 1.5.0`);
    expect(await fails(...unregister)).toContain("VERSION_UNKNOWN");
    expect(await fails(...unregister, "--wait", "soon")).toContain('"soon" is no count');
  } finally {
    await other.remove();
  }
});

describe("without a mesh", () => {
  const verbs = [["status"], ["services"], ["wakes"], ["logs", service], ["call", `${service}/Echo`]];

  test.each(verbs)("rouse %s says how to start one", async (...args) => {
    const data = await mkdtemp(join(tmpdir(), "rouse-none-"));
    const run = () => rouse([...args, "--data", data]);
    try {
      expect(await run()).toEqual({
        code: 1,
        stdout: "",
        stderr: `No mesh runs with the data folder ${data}; start one with "npm start", or name its folder by --data. (UNAVAILABLE, NO_MESH)\n`,
      });
      // What a mesh that was killed leaves.
      const nobody = "127.0.0.1:1";
      const addresses = [
        "edge",
        "mesh",
        "consul",
        "registry",
        "registryHttp",
        "control",
        "agent",
        "orders",
        "ordersHttp",
        "envoyAdmin",
      ].map((name) => [name, nobody]);
      const gone = { ...Object.fromEntries(addresses), meshSocket: "", runtime: "process", pid: 1 };
      await writeFile(join(data, "mesh.json"), JSON.stringify(gone));
      expect(await run()).toEqual({
        code: 1,
        stdout: "",
        stderr: `No mesh answers at ${nobody}; start one with "npm start". (UNAVAILABLE, NO_MESH)\n`,
      });
      await writeFile(join(data, "mesh.json"), "{");
      expect((await run()).stderr).toContain("cannot be understood");
    } finally {
      await rm(data, { recursive: true, force: true });
    }
  });

  test("an unknown verb gets a suggestion", async () => {
    const { code, stderr } = await rouse(["statsu"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/unknown command 'statsu'\s+\(Did you mean status\?\)/);
  });
});
