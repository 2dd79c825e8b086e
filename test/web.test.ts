import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { validate } from "@readme/openapi-parser";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumPath, startChromium } from "./support/chromium.ts";
import { runningInstances, untilCold } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { root, rouse, rouseOk } from "./support/rouse.ts";

const service = "probe.v1.ProbeService";
let mesh: TestMesh;
const probes: Probe[] = [];

beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  const probe = await makeProbe({
    version: "1.0.0",
    idleTimeout: "1s",
    // Nobody has to bring Google's files.
    edit: (contract) =>
      contract
        .replace('import "rouse', 'import "google/api/annotations.proto";\nimport "rouse')
        .replace(
          "returns (stream TickResponse);",
          'returns (stream TickResponse) { option (google.api.http) = {get: "/v1/ticks/{count}"}; }',
        ),
  });
  probes.push(probe);
  await probe.register(mesh.data);
});
afterAll(async () => {
  await mesh?.close();
  for (const probe of probes) await probe.remove();
});

async function post(path: string, body: unknown) {
  const response = await fetch(`http://${mesh.edge}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, json: await response.json() };
}

async function connect(path = "/mcp"): Promise<Client> {
  const client = new Client({ name: "test", version: "1.0.0" });
  // The SDK's own types disagree where a field may be undefined.
  const transport = new StreamableHTTPClientTransport(new URL(`http://${mesh.edge}${path}`)) as unknown;
  await client.connect(transport as Parameters<typeof client.connect>[0]);
  return client;
}

test("JSON wakes a cold service, streams included", async () => {
  await expect
    .poll(() => post(`/${service}/Echo`, { text: "hi" }), { timeout: 20_000 })
    .toMatchObject({
      status: 200,
      json: { text: "hi", version: "1.0.0" },
    });
  const ticks = await post(`/${service}/Tick`, { count: 3 });
  expect(ticks.json).toHaveLength(3);
  const own = await fetch(`http://${mesh.edge}/v1/ticks/2?interval_ms=1`);
  expect(await own.json()).toHaveLength(2);
  // As "curl -d" sends it.
  const curl = { "content-type": "application/x-www-form-urlencoded" };
  const form = await fetch(`http://${mesh.edge}/${service}/Echo`, {
    method: "POST",
    headers: curl,
    body: "{}",
  });
  expect(await form.json()).toMatchObject({ version: "1.0.0" });
});

test("the OpenAPI document is valid, and its page loads nothing from elsewhere", async () => {
  const url = `http://${mesh.edge}/openapi/${service}`;
  const document = await (await fetch(`${url}.json`)).json();
  expect(Object.keys(document.paths)).toEqual(
    expect.arrayContaining([`/${service}/Echo`, "/v1/ticks/{count}"]),
  );
  expect(await validate(document)).toMatchObject({ valid: true });
  const page = await (await fetch(url)).text();
  for (const [, path] of page.matchAll(/(?:src|href)="([^"]+)"/g)) {
    expect(path).toMatch(/^\//);
    expect((await fetch(`http://${mesh.edge}${path}`)).status).toBe(200);
  }
  const missing = await fetch(`http://${mesh.edge}/openapi/nothing.v1.Nothing.json`);
  expect(missing.status).toBe(404);
  expect(await missing.text()).toContain("/openapi lists what there is");
  expect(await (await fetch(`http://${mesh.edge}/openapi`)).json()).toMatchObject({
    services: [{ service, version: "1.0.0", page: `/openapi/${service}` }],
  });
});

describe.skipIf(chromiumPath === undefined)("in a browser", () => {
  test("a method is tried out on the page, through the edge", async () => {
    const chromium = await startChromium();
    try {
      const page = await chromium.browser.newPage();
      const foreign: string[] = [];
      page.on("request", (request) => {
        if (!request.url().startsWith(`http://${mesh.edge}/`)) foreign.push(request.url());
      });
      await page.goto(`http://${mesh.edge}/openapi/${service}`);
      await page.locator('[id$="-Echo"] button').first().click();
      await page.locator('[id$="-Echo"] textarea').fill('{"text": "tried"}');
      await page.getByRole("button", { name: "Execute" }).click();
      await page
        .locator('[id$="-Echo"] .live-responses-table .response-col_description')
        .getByText('"tried"')
        .waitFor();
      if (process.env.SHOTS)
        await page.screenshot({ path: `${process.env.SHOTS}/openapi.png`, fullPage: true });
      expect(foreign.filter((url) => !url.startsWith("data:"))).toEqual([]);
    } finally {
      await chromium.close();
    }
  });
});

test("an MCP client lists, finds and calls methods; a cold one is woken", async () => {
  await untilCold(mesh, service);
  const client = await connect();
  const { tools } = await client.listTools();
  const names = tools.map(({ name }) => name);
  expect(names.slice(0, 2)).toEqual(["find_tools", "call_tool"]);
  const echo = tools.find(({ name }) => name === "probe_v1_ProbeService_Echo");
  expect(echo).toMatchObject({
    description: expect.stringContaining("Returns the text, and who answered"),
    inputSchema: { type: "object", properties: { text: { type: "string" } } },
    annotations: { readOnlyHint: true, idempotentHint: true, destructiveHint: false },
  });
  expect(await runningInstances(mesh, service)).toEqual([]);
  const answer = await client.callTool({ name: "probe_v1_ProbeService_Echo", arguments: { text: "by MCP" } });
  expect(answer).toMatchObject({ structuredContent: { text: "by MCP", version: "1.0.0" } });

  const ticks = await client.callTool({ name: "probe_v1_ProbeService_Tick", arguments: { count: 300 } });
  expect(ticks.structuredContent).toMatchObject({ truncated: true });
  expect((ticks.structuredContent as { messages: unknown[] }).messages).toHaveLength(200);
  const upload = await client.callTool({
    name: "probe_v1_ProbeService_Upload",
    arguments: { requests: [{ chunk: "AAEC" }, { chunk: "Aw==" }] },
  });
  expect(upload.structuredContent).toMatchObject({ bytes: "4" });

  const found = await client.callTool({ name: "find_tools", arguments: { query: "echo text", limit: 1 } });
  expect(found.structuredContent).toMatchObject({ tools: [{ name: "probe_v1_ProbeService_Echo" }] });
  const called = await client.callTool({
    name: "call_tool",
    arguments: { name: "probe_v1_ProbeService_Echo", arguments: { text: "indirectly" } },
  });
  expect(called.structuredContent).toMatchObject({ text: "indirectly" });
  await client.close();
});

test("MCP's errors are the mesh's sentences", async () => {
  const client = await connect();
  const fails = async (name: string, input: Record<string, unknown>) => {
    const answer = await client.callTool({ name, arguments: input });
    expect(answer.isError).toBe(true);
    return (answer.content as { text: string }[])[0]?.text;
  };
  expect(await fails("nothing", {})).toContain("TOOL_UNKNOWN: There is no tool nothing");
  expect(await fails("probe_v1_ProbeService_Echo", { txt: 1 })).toContain(
    "REQUEST_INVALID: The request is no probe",
  );
  expect(await fails("probe_v1_ProbeService_Upload", {})).toContain(
    'give its messages as {"requests": [...]}',
  );
  expect(await fails("find_tools", {})).toContain("REQUEST_INVALID: The arguments do not fit: query");
  await rouseOk(["stop", service, "1.0.0", "--reason", "a test", "--data", mesh.data]);
  await expect
    .poll(() => fails("probe_v1_ProbeService_Echo", {}))
    .toContain("VERSION_STOPPED: probe.v1.ProbeService 1.0.0 is stopped by an administrator: a test");
  await rouseOk(["start", service, "1.0.0", "--data", mesh.data]);
  await expect(client.listTools({ cursor: "no cursor!" })).rejects.toThrow("The cursor is none of this list");
  await client.close();

  const other = await connect("/mcp?service=other.v1.");
  expect((await other.listTools()).tools.map(({ name }) => name)).toEqual(["find_tools", "call_tool"]);
  await other.close();
  expect((await fetch(`http://${mesh.edge}/mcp`, { method: "DELETE" })).status).toBe(405);
  // A page whose name was given this host's address; a page of this host.
  const from = (origin: string) =>
    fetch(`http://${mesh.edge}/mcp`, {
      method: "POST",
      headers: { origin, "content-type": "application/json", accept: "application/json, text/event-stream" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
    });
  const refused = await from("http://rebound.example:8080");
  expect(refused.status).toBe(403);
  expect(await refused.text()).toContain("Pages of http://rebound.example:8080 may not use this MCP server");
  expect((await from("http://localhost:6274")).status).toBe(200);
});

test("rouse call takes fields", async () => {
  const text = await rouseOk(["call", `${service}/Echo`, "-f", "text=typed", "--data", mesh.data]);
  expect(JSON.parse(text)).toMatchObject({ text: "typed" });
  const over = [
    "call",
    `${service}/Tick`,
    '{"count": 9, "interval_ms": 1}',
    "--field",
    "count=2",
    "--data",
    mesh.data,
  ];
  expect((await rouseOk(over)).trim().split("\n")).toHaveLength(2);
  const { stderr } = await rouse(["call", `${service}/Echo`, "-f", "txt=1", "--data", mesh.data]);
  expect(stderr).toContain(
    'probe.v1.EchoRequest has no field "txt"; it has text. (INVALID_ARGUMENT, FIELD_INVALID)',
  );
  const two = await rouse(["call", `${service}/Upload`, "{}", "{}", "-f", "chunk=AA==", "--data", mesh.data]);
  expect(two.stderr).toContain("give at most one request as JSON beside them");
  const list = await rouse(["call", `${service}/Echo`, "[]", "-f", "text=a", "--data", mesh.data]);
  expect(list.stderr).toContain("The request is no object");
});

test("bash completes verbs, flags, services, methods, versions and fields", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouse-bash-"));
  try {
    await symlink(join(root, "cli/bin/rouse.mjs"), join(folder, "rouse"));
    const script = `
      source <(rouse completion bash)
      try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rouse; echo "\${COMPREPLY[*]-}"; }
      try rouse unre
      try rouse call --verb
      try rouse call pro
      try rouse call ${service}/E
      try rouse call ${service}/Echo -f ""
      try rouse call ${service}/Tick -f count = 3 -f inter
      try rouse stop ${service} ""
      try rouse call ${service}/Echo --version ""
      try rouse nothing ""
      try rouse completion ba
    `;
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, ROUSE_DATA: mesh.data };
    const { stdout, stderr } = await promisify(execFile)("bash", ["-c", script], { env });
    expect(stderr).toBe("");
    expect(stdout.split("\n").slice(0, -1)).toEqual([
      "unregister",
      "--verbose",
      `${service}/`,
      `${service}/Echo`,
      "text=",
      "interval_ms=",
      "1.0.0",
      "1.0.0",
      "",
      "bash",
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
