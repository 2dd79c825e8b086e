import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RouseError } from "../errors.ts";
import { echoDefinition, say } from "../fixtures/echo.ts";
import { echoHandlers, texts } from "../fixtures/handlers.ts";
import { startWebEnvoy } from "../fixtures/web-envoy.ts";
import { type InProcessServer, startInProcess } from "../testing/index.ts";
import { createBrowserClient, type ResponseMetadata } from "./index.ts";

let server: InProcessServer;
let envoy: Awaited<ReturnType<typeof startWebEnvoy>>;
let left = Promise.withResolvers<void>();

beforeAll(async () => {
  server = await startInProcess(echoDefinition, {
    ...echoHandlers,
    say(request, call) {
      if (request.text === "version") return say(String(call.metadata.get("rouse-version")[0]));
      if (request.text === "header") return say(String(call.metadata.get("x-user")[0]));
      if (request.text !== "fail") return say(`you said ${request.text}`);
      throw new RouseError("NOT_FOUND", 'Es gibt kein "chrX": wähle chr1.', {
        reason: "NO_SUCH_REFERENCE",
        metadata: { reference: "chrX" },
      });
    },
    async *count(request, call) {
      for (let i = 1; i <= Number(request.text); i += 1) yield say(String(i));
      if (request.text !== "2") return;
      call.signal.addEventListener("abort", () => left.resolve());
      await left.promise;
      throw new RouseError("ABORTED", "That was all.", { reason: "ENOUGH" });
    },
    slow: () => new Promise(() => {}),
  });
  envoy = await startWebEnvoy(server.target);
});
afterAll(async () => {
  await envoy?.close();
  await server?.close();
});

test("unary calls and server streams, through Envoy's gRPC-web", async () => {
  const client = createBrowserClient(echoDefinition, { baseUrl: envoy.baseUrl });
  expect((await client.say(say("hello"))).text).toBe("you said hello");
  expect(await texts(client.count(say("5")))).toEqual(["1", "2", "3", "4", "5"]);
});

test("version spec and headers", async () => {
  const client = createBrowserClient(echoDefinition, {
    baseUrl: `${envoy.baseUrl}/`,
    version: "1",
    metadata: { "x-user": "ada" },
  });
  expect((await client.say(say("version"))).text).toBe("1");
  expect((await client.say(say("header"))).text).toBe("ada");
  expect((await client.say(say("header"), { metadata: { "x-user": "bob" } })).text).toBe("bob");
});

test("headers and trailers are told, of answers and of errors", async () => {
  const told: string[] = [];
  const client = createBrowserClient(echoDefinition, { baseUrl: envoy.baseUrl });
  const options = {
    metadata: { "x-user": "eve", "x-raw-bin": new Uint8Array([0, 255]) },
    onHeader: (header: ResponseMetadata) => told.push(`header ${header.get("content-type")?.join()}`),
    onTrailer: (trailer: ResponseMetadata) => told.push(`trailer ${trailer.has("grpc-status-details-bin")}`),
  };
  expect((await client.say(say("header"), options)).text).toBe("eve");
  expect(told).toEqual(["header application/grpc-web+proto", "trailer false"]);
  await client.say(say("fail"), options).catch(() => told.push("failed"));
  expect(told.slice(-2)).toEqual(["trailer true", "failed"]);
});

test("errors arrive with reason and metadata, before and after the first message", async () => {
  const client = createBrowserClient(echoDefinition, { baseUrl: envoy.baseUrl });
  const error: RouseError = await client.say(say("fail")).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(RouseError);
  expect(error).toMatchObject({
    status: "NOT_FOUND",
    message: 'Es gibt kein "chrX": wähle chr1.',
    reason: "NO_SUCH_REFERENCE",
    metadata: { reference: "chrX" },
  });
  const seen: string[] = [];
  const read = async () => {
    for await (const message of client.count(say("2"))) {
      seen.push(message.text);
      if (message.text === "2") left.resolve();
    }
  };
  await expect(read()).rejects.toMatchObject({ status: "ABORTED", reason: "ENOUGH" });
  expect(seen).toEqual(["1", "2"]);
});

test("leaving a stream early reaches the server", async () => {
  left = Promise.withResolvers();
  const client = createBrowserClient(echoDefinition, { baseUrl: envoy.baseUrl });
  for await (const message of client.count(say("2"))) if (message.text === "2") break;
  await left.promise;
});

test("deadline and cancellation", async () => {
  const client = createBrowserClient(echoDefinition, { baseUrl: envoy.baseUrl });
  await expect(client.slow(say(""), { deadlineMs: 30 })).rejects.toMatchObject({
    status: "DEADLINE_EXCEEDED",
  });
  const controller = new AbortController();
  const call = client.slow(say(""), { deadlineMs: 0, signal: controller.signal });
  controller.abort();
  await expect(call).rejects.toMatchObject({ status: "CANCELLED", reason: "CALL_CANCELLED" });
});

test("an edge that is away", async () => {
  const client = createBrowserClient(echoDefinition, { baseUrl: "http://127.0.0.1:1" });
  const error: RouseError = await client.say(say("")).catch((thrown) => thrown);
  expect(error).toMatchObject({ status: "UNAVAILABLE", reason: "EDGE_UNREACHABLE" });
  expect(error.message).toMatch(
    /^The mesh cannot be reached for Say \(.*\)\. Check the base URL, and that the edge allows this page's origin\.$/s,
  );
});

test("what a browser cannot do, and a base URL that is none", () => {
  const client = createBrowserClient(echoDefinition, { baseUrl: envoy.baseUrl }) as unknown as {
    chat(): unknown;
  };
  expect(() => client.chat()).toThrow(
    "Browsers cannot send a stream of requests, so test.echo.v1.Echo/Chat cannot be called from one. Call it from Node, or give the contract a unary or server-streaming method.",
  );
  expect(() => createBrowserClient(echoDefinition, { baseUrl: "127.0.0.1:8080" })).toThrow(
    'The base URL "127.0.0.1:8080" is no web address. Give the mesh\'s edge, such as "http://127.0.0.1:8080".',
  );
});

test("the bundle for browsers holds no Node module and no grpc-js, and stays small", async () => {
  const { metafile, outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "index.ts")],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    write: false,
    metafile: true,
  });
  const inputs = Object.keys(metafile.inputs).join("\n");
  expect(inputs).not.toMatch(/grpc-js|^node:|opentelemetry/m);
  expect(outputFiles[0]?.contents.length).toBeLessThan(60_000);
});
