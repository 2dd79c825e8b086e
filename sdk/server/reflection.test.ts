import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { echoDefinition } from "../fixtures/echo.ts";
import { echoHandlers } from "../fixtures/handlers.ts";
import { bindService } from "./index.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);
let descriptorSet = "";

function buf(...args: string[]) {
  return run(join(root, "node_modules/.bin/buf"), args, { cwd: tmpdir() });
}

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouse-sdk-"));
  const file = join(folder, "set.binpb");
  await buf("build", join(root, "sdk/fixtures"), "--as-file-descriptor-set", "--output", file);
  descriptorSet = (await readFile(file)).toString("base64");
  await rm(folder, { recursive: true });
});

async function start(source: string | (() => Promise<string>)): Promise<string> {
  const serve = bindService(echoDefinition, source);
  const server = await serve(echoHandlers, { listen: "127.0.0.1:0", handleSignals: false });
  onTestFinished(() => server.stop());
  return `http://${server.address}`;
}

const curl = ["curl", "--protocol", "grpc", "--http2-prior-knowledge"];

test("buf curl lists the methods and calls one, with nothing but the server's reflection", async () => {
  const url = await start(descriptorSet);
  const list = await buf(...curl, "--list-methods", url);
  expect(list.stdout).toContain("test.echo.v1.Echo/Say");
  const call = await buf(...curl, "--data", '{"text": "hello"}', `${url}/test.echo.v1.Echo/Say`);
  expect(JSON.parse(call.stdout)).toEqual({ text: "you said hello" });
});

test("older clients find v1alpha, and descriptors may be loaded when they are asked for", async () => {
  let loads = 0;
  const url = await start(async () => {
    loads += 1;
    return descriptorSet;
  });
  expect(loads).toBe(0);
  const list = await buf(...curl, "--reflect-protocol", "grpc-v1alpha", "--list-methods", url);
  expect(list.stdout).toContain("test.echo.v1.Echo/Chat");
  await buf(...curl, "--reflect-protocol", "grpc-v1", "--list-methods", url);
  expect(loads).toBe(1);
});
