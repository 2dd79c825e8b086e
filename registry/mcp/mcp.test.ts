import { afterEach, beforeAll, expect, test } from "vitest";
import { compile, serveContract } from "../../mesh-config/testing/contract.ts";
import { manifest, version } from "../../mesh-config/testing/state.ts";
import { RouseError } from "../../sdk/errors.ts";
import { type Contract, parseContract } from "../catalog/contract/contract.ts";
import { EdgeCaller } from "./caller.ts";
import { describeTool, toolMethods, toolName } from "./tools.ts";

const service = "talk.v1.Talk";
let set: Uint8Array;
let contract: Contract;
beforeAll(async () => {
  set = await compile({
    "talk.proto": `
      syntax = "proto3";
      package talk.v1;
      message Line { string text = 1; repeated Line replies = 2; }
      service Talk { rpc Say(Line) returns (Line); rpc Hear(Line) returns (stream Line); rpc Tell(stream Line) returns (Line); }`,
  });
  contract = parseContract(service, set);
});
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const options = { deadlineMs: 10_000, signal: new AbortController().signal };

test("a call carries who calls, and ends when its caller leaves", async () => {
  const server = await serveContract(set, service, {
    Say: (_, metadata) => ({ text: String(metadata.authorization ?? "nobody") }),
    Hear: async function* () {
      for (let number = 0; ; number++) {
        yield { text: String(number) };
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  });
  closers.push(() => server.close());
  const caller = new EdgeCaller(server.address);
  closers.push(() => caller.close());
  const said = await caller.call(contract, "Say", [{}], { ...options, authorization: "Bearer key" });
  expect(said).toEqual({ messages: [{ text: "Bearer key" }], truncated: false });
  expect((await caller.call(contract, "Say", [{}], options)).messages).toEqual([{ text: "nobody" }]);

  const leaving = new AbortController();
  const heard = caller.call(contract, "Hear", [{}], {
    ...options,
    signal: leaving.signal,
    onMessage: (count) => count === 3 && leaving.abort(),
  });
  await expect(heard).rejects.toMatchObject({ status: "CANCELLED" });
});

test("a long answer is cut by its size", async () => {
  const server = await serveContract(set, service, {
    Hear: async function* () {
      for (let number = 0; number < 10; number++) yield { text: "x".repeat(100_000) };
    },
    Say: () => {
      throw new RouseError("NOT_FOUND", "Nobody is there.", { reason: "NOBODY" });
    },
  });
  closers.push(() => server.close());
  const caller = new EdgeCaller(server.address);
  closers.push(() => caller.close());
  const heard = await caller.call(contract, "Hear", [{}], options);
  expect([heard.messages.length, heard.truncated]).toEqual([2, true]);
  await expect(caller.call(contract, "Say", [{}], options)).rejects.toMatchObject({ reason: "NOBODY" });
  await expect(caller.call(contract, "Say", [{ txt: 1 }], options)).rejects.toMatchObject({
    reason: "REQUEST_INVALID",
    message: expect.stringContaining("The request is no talk.v1.Line"),
  });
  await expect(caller.call(contract, "Sing", [{}], options)).rejects.toMatchObject({
    reason: "METHOD_UNKNOWN",
    message: "talk.v1.Talk has no method Sing.",
  });
});

test("tools have names that all clients take, and schemas of their own", () => {
  const long = `org.example.${"deep.".repeat(12)}v1.Service`;
  for (const name of [toolName(service, "Say"), toolName(long, "Say"), toolName(long, "See")])
    expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/);
  expect(toolName(long, "Say")).not.toBe(toolName(long, "See"));

  const state = version(
    manifest(service, "1.0.0", {
      methods: contract.service.methods.map(({ name, proto }) => ({
        name,
        input: "talk.v1.Line",
        output: "talk.v1.Line",
        clientStreaming: proto.clientStreaming,
        serverStreaming: proto.serverStreaming,
        mode: "sync",
        deadlineMs: 0,
        idempotency: name === "Hear" ? "no_side_effects" : name === "Tell" ? "idempotent" : "unknown",
        docs: `${name} it.`,
      })),
    }),
  );
  const tools = [...toolMethods([{ service, version: "1.0.0", state }]).values()];
  const described = tools.map((tool) => describeTool(tool, contract));
  expect(described.map(({ name }) => name)).toEqual([
    "talk_v1_Talk_Say",
    "talk_v1_Talk_Hear",
    "talk_v1_Talk_Tell",
  ]);
  expect(described.map(({ annotations }) => annotations)).toMatchObject([
    { readOnlyHint: false, destructiveHint: true, idempotentHint: false },
    { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
    { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  ]);
  expect(described[0]?.inputSchema).toMatchObject({
    type: "object",
    properties: { text: { type: "string" }, replies: { items: { $ref: "#/$defs/talk.v1.Line" } } },
    $defs: { "talk.v1.Line": { type: "object" } },
  });
  expect(described[2]?.inputSchema).toMatchObject({ required: ["requests"] });
  // Jobs are ordered, and no tool calls them.
  const methods = state.manifest.methods.map((method) => ({ ...method, mode: "job" as const }));
  const jobs = { ...state, manifest: { ...state.manifest, methods } };
  expect(toolMethods([{ service, version: "1.0.0", state: jobs }]).size).toBe(0);
});
