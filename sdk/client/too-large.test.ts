import { expect, onTestFinished, test } from "vitest";
import { RouseError } from "../errors.ts";
import { echoDefinition, say } from "../fixtures/echo.ts";
import { echoHandlers } from "../fixtures/handlers.ts";
import type { ServeOptions } from "../server/types.ts";
import { startInProcess } from "../testing/index.ts";
import { createClient } from "./index.ts";
import { tooLarge } from "./too-large.ts";
import type { ClientOptions } from "./types.ts";

const MEBIBYTE = 2 ** 20;

/** A service whose answers have as many bytes as the request's text says. */
async function start(options: { serve?: ServeOptions; client?: ClientOptions }) {
  const large = (text: string) => say("", Number(text));
  const handlers = {
    ...echoHandlers,
    say: ({ text }: { text: string }) => large(text),
    async *count({ text }: { text: string }) {
      yield large("1");
      yield large(text);
    },
  };
  const server = await startInProcess(echoDefinition, handlers, options.serve ?? {});
  const client = createClient(echoDefinition, { target: server.target, ...options.client });
  onTestFinished(async () => {
    client.close();
    await server.close();
  });
  return client;
}

const sent = (size: string, most: string) => ({
  status: "RESOURCE_EXHAUSTED",
  reason: "RESULT_TOO_LARGE",
  message: `The response of ${size}, more than the ${most} that its service sends in one message. Keep what is large as an artifact, and pass its URI along (docs/artifacts.md); or answer by a stream, or let serve() send more (maxResponseBytes).`,
});

test("a response that is too large for its service says so, and the service goes on", async () => {
  const client = await start({});
  await expect(client.say(say(`${100 * MEBIBYTE}`))).rejects.toMatchObject(
    sent("Say has 100.0 MiB", "64.0 MiB"),
  );
  expect((await client.say(say(`${63 * MEBIBYTE}`))).payload).toHaveLength(63 * MEBIBYTE);
});

test("so does a message of a stream, after those before it", async () => {
  const client = await start({ serve: { maxResponseBytes: MEBIBYTE } });
  const seen: number[] = [];
  const read = async () => {
    for await (const { payload } of client.count(say(`${2 * MEBIBYTE}`))) seen.push(payload.length);
  };
  await expect(read()).rejects.toMatchObject(sent("Count has 2.0 MiB", "1.0 MiB"));
  expect(seen).toEqual([1]);
});

test("a response that is too large for its caller says so", async () => {
  const client = await start({ client: { maxResponseBytes: MEBIBYTE } });
  await expect(client.say(say(`${2 * MEBIBYTE}`))).rejects.toMatchObject({
    status: "RESOURCE_EXHAUSTED",
    reason: "RESULT_TOO_LARGE",
    message:
      "The response of Say has 2.0 MiB, more than the 1.0 MiB that this client takes. Keep what is large as an artifact, and pass its URI along (docs/artifacts.md); or let the client take more (maxResponseBytes).",
  });
});

test("a request that is too large for its service says so", async () => {
  const client = await start({});
  await expect(client.say(say("", 5 * MEBIBYTE))).rejects.toMatchObject({
    status: "RESOURCE_EXHAUSTED",
    reason: "REQUEST_TOO_LARGE",
    message:
      "The request of Say has 5.0 MiB, more than the 4.0 MiB that its service takes. Keep what is large as an artifact, and pass its URI along (docs/artifacts.md); or let serve() take more (maxRequestBytes).",
  });
});

test.each([
  ["RESOURCE_EXHAUSTED", "grpc: received message larger than max (104857605 vs. 4194304)", true],
  ["RESOURCE_EXHAUSTED", "All sheep are out.", false],
  ["INTERNAL", "Received message larger than max (2 vs 1)", false],
] as const)("%s %s: told is %s", (status, words, told) => {
  const error = tooLarge(echoDefinition.methods.say, new RouseError(status, words), 1);
  expect(error !== undefined).toBe(told);
});
