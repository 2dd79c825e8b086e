import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../client/index.ts";
import { RouseError } from "../errors.ts";
import { echoDefinition, type Message, say } from "../fixtures/echo.ts";
import { echoHandlers, stream, texts } from "../fixtures/handlers.ts";
import { startInProcess } from "../testing/index.ts";
import { bindService } from "./index.ts";
import type { Handlers, ServeOptions } from "./types.ts";

const quiet = { info: () => {}, error: () => {} };

async function start(changed: Partial<Handlers<typeof echoDefinition>> = {}, options: ServeOptions = {}) {
  const handlers = { ...echoHandlers, ...changed };
  const server = await startInProcess(echoDefinition, handlers, { log: quiet, ...options });
  const client = createClient(echoDefinition, { target: server.target, retries: 0 });
  onTestFinished(async () => {
    client.close();
    await server.close();
  });
  return { server, client };
}

test("all four shapes", async () => {
  const { client } = await start();
  expect((await client.say(say("hello"))).text).toBe("you said hello");
  expect(await texts(client.count(say("3")))).toEqual(["1", "2", "3"]);
  expect((await client.sum(stream("1", "2", "39"))).text).toBe("42");
  expect(await texts(client.chat(stream("a", "b")))).toEqual(["you said a", "you said b"]);
});

test("a bidi stream goes back and forth", async () => {
  const { client } = await start();
  let answered = Promise.withResolvers<void>();
  async function* requests() {
    for (const text of ["one", "two", "three"]) {
      yield say(text);
      await answered.promise;
      answered = Promise.withResolvers<void>();
    }
  }
  const all: string[] = [];
  for await (const answer of client.chat(requests())) {
    all.push(answer.text);
    answered.resolve();
  }
  expect(all).toEqual(["you said one", "you said two", "you said three"]);
});

test("a handler may answer before it has read all requests", async () => {
  const { client } = await start({
    async sum(requests) {
      for await (const request of requests) return say(`enough after ${request.text}`);
      return say("none");
    },
    async *chat(requests) {
      for await (const request of requests) {
        yield say(`enough after ${request.text}`);
        return;
      }
    },
  });
  async function* endless(): AsyncGenerator<Message> {
    for (let i = 1; ; i += 1) yield say(String(i));
  }
  expect((await client.sum(endless())).text).toBe("enough after 1");
  expect(await texts(client.chat(endless()))).toEqual(["enough after 1"]);
});

test("a RouseError arrives with status, message, reason and metadata, in all shapes", async () => {
  const failure = new RouseError("NOT_FOUND", 'There is no "chrX". Näher: chr1.', {
    reason: "NO_SUCH_REFERENCE",
    metadata: { reference: "chrX" },
  });
  const fail = () => {
    throw failure;
  };
  const { client } = await start({
    say: fail,
    sum: async () => fail(),
    // biome-ignore lint/correctness/useYield: fails before its first message
    async *count() {
      fail();
    },
    async *chat(requests) {
      yield* requests;
      fail();
    },
  });
  const calls = [
    client.say(say("x")),
    client.sum(stream("1")),
    texts(client.count(say("1"))),
    texts(client.chat(stream("a"))),
  ];
  const errors = await Promise.all(calls.map((call) => call.catch((thrown: unknown) => thrown)));
  for (const error of errors) {
    expect(error).toBeInstanceOf(RouseError);
    const { status, message, reason, metadata } = error as RouseError;
    expect({ status, message, reason, metadata }).toEqual({
      status: "NOT_FOUND",
      message: 'There is no "chrX". Näher: chr1.',
      reason: "NO_SUCH_REFERENCE",
      metadata: { reference: "chrX" },
    });
  }
});

test("messages before an error arrive before it", async () => {
  const { client } = await start({
    async *count() {
      for (let i = 0; i < 40; i += 1) yield say(String(i));
      throw new RouseError("ABORTED", "That was all.");
    },
  });
  const all: string[] = [];
  const read = async () => {
    for await (const message of client.count(say(""))) all.push(message.text);
  };
  await expect(read()).rejects.toMatchObject({ status: "ABORTED" });
  expect(all).toHaveLength(40);
});

test("what a handler throws by accident stays in the log", async () => {
  const lines: { facts: object; message: string }[] = [];
  const log = { info: () => {}, error: (facts: object, message: string) => lines.push({ facts, message }) };
  const { client } = await start(
    {
      say: () => {
        throw new Error("password is 1234");
      },
    },
    { log },
  );
  const error: RouseError = await client.say(say("x")).catch((thrown) => thrown);
  expect(error.status).toBe("INTERNAL");
  expect(error.reason).toBe("HANDLER_FAILED");
  expect(error.message).toMatch(/^The service failed\. Its log has the cause under the error id \S+\.$/);
  const errorId = error.metadata.errorId;
  expect(error.message).toContain(errorId);
  expect(lines).toMatchObject([{ message: "A handler failed", facts: { method: "Say", errorId } }]);
});

test("a response that cannot be encoded is an accident, and the log says which", async () => {
  const lines: object[] = [];
  const log = { info: () => {}, error: (facts: object) => lines.push(facts) };
  const wrong = { text: 5 } as unknown as Message;
  const { client } = await start(
    {
      say: () => wrong,
      async *count() {
        yield wrong;
      },
    },
    { log },
  );
  await expect(client.say(say(""))).rejects.toMatchObject({ status: "INTERNAL", reason: "HANDLER_FAILED" });
  await expect(texts(client.count(say("")))).rejects.toMatchObject({ reason: "HANDLER_FAILED" });
  expect(lines).toMatchObject([{ method: "Say" }, { method: "Count" }]);
});

test("a request that cannot be decoded is the caller's fault, and says so", async () => {
  const { server } = await start();
  const encodeRequest = () => Uint8Array.of(10, 200);
  const { say: good, count, sum } = echoDefinition.methods;
  const broken = {
    ...echoDefinition,
    methods: {
      say: { ...good, encodeRequest },
      count: { ...count, encodeRequest },
      sum: { ...sum, encodeRequest },
    },
  };
  using client = createClient(broken, { target: server.target });
  for (const call of [client.say(say("")), texts(client.count(say(""))), client.sum(stream("1"))]) {
    const error: RouseError = await call.then(String, (thrown) => thrown);
    expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "REQUEST_MALFORMED" });
    expect(error.message).toMatch(
      /^The request of \w+ cannot be decoded \(.+\)\. Caller and service disagree on the contract: compare their versions\.$/,
    );
  }
});

test("headers, trailers, metadata, peer", async () => {
  const { client } = await start({
    say(_request, call) {
      call.setHeader("x-header", "h");
      call.setTrailer("x-trailer", "t");
      const [asked] = call.metadata.get("x-question");
      return say(`${asked} from ${call.peer}`);
    },
  });
  const answer = await client.say(say(""), { metadata: { "x-question": "why" } });
  expect(answer.text).toMatch(/^why from 127\.0\.0\.1:\d+$/);
});

test("the version spec travels as a header", async () => {
  const { server } = await start({
    say: (_request, call) => say(String(call.metadata.get("rouse-version")[0])),
  });
  using client = createClient(echoDefinition, { target: server.target, version: "^1.2.0" });
  expect((await client.say(say(""))).text).toBe("^1.2.0");
});

test("state is shared by all calls, and closed at the end", async () => {
  const closed: number[] = [];
  type Counter = { count: number };
  const server = await startInProcess(
    echoDefinition,
    {
      ...echoHandlers,
      say(_request, call) {
        call.state.count += 1;
        return say(String(call.state.count));
      },
    },
    {
      log: quiet,
      state: async (): Promise<Counter> => ({ count: 0 }),
      close: (state) => {
        closed.push(state.count);
      },
    },
  );
  const client = createClient(echoDefinition, { target: server.target });
  await client.say(say(""));
  expect((await client.say(say(""))).text).toBe("2");
  client.close();
  await server.close();
  expect(closed).toEqual([2]);
});

test("the serve of generated code has the same types", async () => {
  const serve = bindService(echoDefinition);
  const local = { listen: "127.0.0.1:0", handleSignals: false };
  const plain = await serve(echoHandlers, local);
  const counting = await serve(
    { ...echoHandlers, say: (_request, call) => say(String(call.state.count)) },
    { ...local, state: () => ({ count: 7 }) },
  );
  using client = createClient(echoDefinition, { target: counting.address });
  expect((await client.say(say(""))).text).toBe("7");
  await Promise.all([plain.stop(), counting.stop({ graceMs: 100 })]);
});

test("a message over the limit is refused", async () => {
  const { client } = await start({}, { maxRequestBytes: 1_000 });
  await expect(client.say(say("x", 2_000))).rejects.toMatchObject({ status: "RESOURCE_EXHAUSTED" });
});

test("a handler that is missing is named at once", async () => {
  const { say: _, ...rest } = echoHandlers;
  const start = startInProcess(echoDefinition, rest as typeof echoHandlers);
  await expect(start).rejects.toMatchObject({
    status: "INVALID_ARGUMENT",
    reason: "HANDLER_MISSING",
    message:
      'test.echo.v1.Echo has no handler "say". Give a function for each method: say, write, slow, count, sum, chat.',
  });
});

test("a port in use is told in a sentence", async () => {
  const { server } = await start();
  const second = startInProcess(echoDefinition, echoHandlers, { listen: server.target });
  await expect(second).rejects.toMatchObject({
    reason: "ADDRESS_IN_USE",
    message: `${server.target} is in use by another program. Stop that program, or choose another address.`,
  });
  const wrong = startInProcess(echoDefinition, echoHandlers, { listen: "unix:/no/such/folder/a.sock" });
  await expect(wrong).rejects.toMatchObject({ reason: "ADDRESS_UNUSABLE" });
});
