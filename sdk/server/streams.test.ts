import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../client/index.ts";
import { RouseError } from "../errors.ts";
import { echoDefinition, type Message, say } from "../fixtures/echo.ts";
import { echoHandlers, stream, texts } from "../fixtures/handlers.ts";
import { startInProcess } from "../testing/index.ts";
import type { Call, Handlers } from "./types.ts";

const quiet = { info: () => {}, error: () => {} };

async function start(changed: Partial<Handlers<typeof echoDefinition>>) {
  const handlers = { ...echoHandlers, ...changed };
  const server = await startInProcess(echoDefinition, handlers, { log: quiet });
  const client = createClient(echoDefinition, { target: server.target, retries: 0 });
  onTestFinished(async () => {
    client.close();
    await server.close();
  });
  return client;
}

const block = 64 * 1024;
const total = 1_500;

test("a slow reader holds a large server stream back: little is made ahead of it", async () => {
  let made = 0;
  const client = await start({
    async *count() {
      for (; made < total; made += 1) yield say("", block);
    },
  });
  let read = 0;
  let ahead = 0;
  for await (const message of client.count(say(""))) {
    expect(message.payload).toHaveLength(block);
    read += 1;
    // Every so often the reader leaves the server time to run ahead as far as it can.
    if (read % 500 === 0) await idle();
    ahead = Math.max(ahead, made - read);
  }
  expect(read).toBe(total);
  // 16 messages in the buffers of each side, and what HTTP/2's windows and the sockets hold.
  expect(ahead * block).toBeLessThan(16 * 2 ** 20);
});

test("a slow reader holds a large client stream back", async () => {
  let made = 0;
  let ahead = 0;
  const client = await start({
    async sum(requests) {
      let read = 0;
      for await (const _ of requests) {
        read += 1;
        if (read % 500 === 0) await idle();
        ahead = Math.max(ahead, made - read);
      }
      return say(String(read));
    },
  });
  async function* requests(): AsyncGenerator<Message> {
    for (; made < total; made += 1) yield say("", block);
  }
  expect((await client.sum(requests())).text).toBe(String(total));
  expect(ahead * block).toBeLessThan(16 * 2 ** 20);
});

/** Resolves when this process's event loop has had many turns with nothing of ours to do. */
async function idle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

test("leaving a stream early ends the server's generator", async () => {
  const ended = Promise.withResolvers<string>();
  const client = await start({
    async *count(_request, call) {
      try {
        for (let i = 0; ; i += 1) {
          yield say(String(i));
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        ended.resolve((call.signal.reason as RouseError).reason);
      }
    },
  });
  for await (const message of client.count(say(""))) if (message.text === "3") break;
  expect(await ended.promise).toBe("CALL_CANCELLED");
});

test("a cancelled call aborts the handler's signal, in all shapes", async () => {
  const reasons: unknown[] = [];
  const begun: Record<string, PromiseWithResolvers<void>> = {};
  const over: Promise<unknown>[] = [];
  const hang = (name: string) => {
    begun[name] = Promise.withResolvers();
    return (_: unknown, call: Call) => {
      over.push(
        once(call.signal, "abort").then(() => reasons.push((call.signal.reason as RouseError).status)),
      );
      begun[name]?.resolve();
      return new Promise<never>(() => {});
    };
  };
  const hangMany = (name: string) => {
    const wait = hang(name);
    return async function* (request: unknown, call: Call) {
      yield await wait(request, call);
    };
  };
  const client = await start({
    say: hang("say"),
    sum: hang("sum"),
    count: hangMany("count"),
    chat: hangMany("chat"),
  });
  const controller = new AbortController();
  const options = { signal: controller.signal };
  const calls = [
    client.say(say(""), options),
    client.sum(stream("1"), options),
    texts(client.count(say(""), options)),
    texts(client.chat(stream("a"), options)),
  ].map((call) => call.catch((thrown: RouseError) => thrown));
  await Promise.all(Object.values(begun).map(({ promise }) => promise));
  controller.abort();
  for (const error of await Promise.all(calls)) {
    expect(error).toBeInstanceOf(RouseError);
    expect(error).toMatchObject({ status: "CANCELLED", reason: "CALL_CANCELLED" });
  }
  await Promise.all(over);
  expect(reasons).toEqual(["CANCELLED", "CANCELLED", "CANCELLED", "CANCELLED"]);
});

test("a signal that was aborted before sends nothing", async () => {
  let called = 0;
  const client = await start({
    say(request) {
      called += 1;
      return request;
    },
  });
  const signal = AbortSignal.abort();
  await expect(client.say(say(""), { signal })).rejects.toMatchObject({ status: "CANCELLED" });
  await expect(texts(client.count(say("1"), { signal }))).rejects.toMatchObject({ status: "CANCELLED" });
  expect(called).toBe(0);
});

test("a request stream that the caller cancels ends the handler's iteration with the reason", async () => {
  const seen = Promise.withResolvers<unknown>();
  const first = Promise.withResolvers<void>();
  const client = await start({
    async sum(requests) {
      try {
        for await (const _ of requests) first.resolve();
      } catch (thrown) {
        seen.resolve(thrown);
      }
      return say("");
    },
  });
  async function* requests() {
    yield say("1");
    await new Promise(() => {});
  }
  const controller = new AbortController();
  const call = client.sum(requests(), { signal: controller.signal });
  await first.promise;
  controller.abort();
  await expect(call).rejects.toMatchObject({ status: "CANCELLED" });
  expect(await seen.promise).toMatchObject({
    status: "CANCELLED",
    message: "Sum was cancelled by its caller.",
  });
});

test("what the caller's own request stream throws reaches the caller", async () => {
  const client = await start({});
  async function* broken() {
    yield say("1");
    throw new RouseError("DATA_LOSS", "My file ends early.");
  }
  await expect(client.sum(broken())).rejects.toMatchObject({ message: "My file ends early." });
  await expect(texts(client.chat(broken()))).rejects.toMatchObject({ message: "My file ends early." });
});

test("the caller's deadline reaches the handler and ends the call on both sides", async () => {
  const seen = Promise.withResolvers<unknown>();
  const client = await start({
    async say(_request, call) {
      expect(call.deadline).toBeLessThanOrEqual(Date.now() + 80);
      await once(call.signal, "abort");
      seen.resolve(call.signal.reason);
      return say("late");
    },
  });
  await expect(client.say(say(""), { deadlineMs: 80 })).rejects.toMatchObject({
    status: "DEADLINE_EXCEEDED",
  });
  expect(await seen.promise).toMatchObject({ status: "DEADLINE_EXCEEDED" });
});

test("the contract's longest time ends a call whose caller would wait longer", async () => {
  const seen = Promise.withResolvers<unknown>();
  const client = await start({
    async slow(_request, call) {
      await once(call.signal, "abort");
      seen.resolve(call.signal.reason);
      return say("late");
    },
  });
  // 50 ms by the contract; the client adds the longest wake, which is not the server's matter.
  const error: RouseError = await client.slow(say("")).catch((thrown) => thrown);
  expect(error).toMatchObject({
    status: "DEADLINE_EXCEEDED",
    reason: "DEADLINE_EXCEEDED",
    message: "Slow was not done by its deadline; the contract allows 50 ms.",
  });
  expect(await seen.promise).toMatchObject({ status: "DEADLINE_EXCEEDED" });
});
