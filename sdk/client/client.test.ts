import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { RouseError } from "../errors.ts";
import { echoDefinition, say } from "../fixtures/echo.ts";
import { echoHandlers, texts } from "../fixtures/handlers.ts";
import type { Handlers } from "../server/types.ts";
import { startInProcess } from "../testing/index.ts";
import { createClient } from "./index.ts";
import type { ClientOptions } from "./types.ts";

const quiet = { info: () => {}, error: () => {} };

async function start(changed: Partial<Handlers<typeof echoDefinition>>, options: ClientOptions = {}) {
  const server = await startInProcess(echoDefinition, { ...echoHandlers, ...changed }, { log: quiet });
  const client = createClient(echoDefinition, { target: server.target, ...options });
  onTestFinished(async () => {
    client.close();
    await server.close();
  });
  return client;
}

/** A handler that fails so many times before it answers. */
function failing(times: number, error: RouseError) {
  const seen = { attempts: 0 };
  const handler = () => {
    seen.attempts += 1;
    if (seen.attempts <= times) throw error;
    return say(`at attempt ${seen.attempts}`);
  };
  return { seen, handler };
}

const unavailable = new RouseError("UNAVAILABLE", "Not now.");

test("an idempotent call that was UNAVAILABLE is tried again", async () => {
  const { handler } = failing(2, unavailable);
  const client = await start({ say: handler });
  expect((await client.say(say(""))).text).toBe("at attempt 3");
});

test("the last error is told when the retries are used up", async () => {
  const { seen, handler } = failing(9, unavailable);
  const client = await start({ say: handler }, { retries: 1 });
  await expect(client.say(say(""))).rejects.toMatchObject({ status: "UNAVAILABLE", message: "Not now." });
  expect(seen.attempts).toBe(2);
});

test("a call that is not idempotent is tried once", async () => {
  const { seen, handler } = failing(1, unavailable);
  const client = await start({ write: handler });
  await expect(client.write(say(""))).rejects.toMatchObject({ status: "UNAVAILABLE" });
  expect(seen.attempts).toBe(1);
});

test("other statuses are not tried again", async () => {
  const { seen, handler } = failing(1, new RouseError("RESOURCE_EXHAUSTED", "Full."));
  const client = await start({ say: handler });
  await expect(client.say(say(""))).rejects.toMatchObject({ status: "RESOURCE_EXHAUSTED" });
  expect(seen.attempts).toBe(1);
});

test("a server that says that another try is of no use is believed", async () => {
  let attempts = 0;
  const client = await start({
    say(_request, call) {
      attempts += 1;
      call.setTrailer("grpc-retry-pushback-ms", "-1");
      throw unavailable;
    },
  });
  await expect(client.say(say(""))).rejects.toMatchObject({ status: "UNAVAILABLE" });
  expect(attempts).toBe(1);
});

test("a stream is tried again before its first answer, and never after it", async () => {
  let attempts = 0;
  const client = await start({
    async *count(request) {
      attempts += 1;
      if (attempts === 1) throw unavailable;
      yield say(`attempt ${attempts}`);
      if (request.text === "break") throw unavailable;
    },
  });
  expect(await texts(client.count(say("")))).toEqual(["attempt 2"]);
  attempts = 1;
  const seen: string[] = [];
  const read = async () => {
    for await (const message of client.count(say("break"))) seen.push(message.text);
  };
  await expect(read()).rejects.toMatchObject({ status: "UNAVAILABLE" });
  expect(seen).toEqual(["attempt 2"]);
});

test("retries end with the deadline", async () => {
  const { handler } = failing(1_000, unavailable);
  const client = await start({ say: handler }, { retries: 1_000 });
  const error: RouseError = await client.say(say(""), { deadlineMs: 200 }).catch((thrown) => thrown);
  expect(["UNAVAILABLE", "DEADLINE_EXCEEDED"]).toContain(error.status);
});

test("a cancelled pause between retries ends the call", async () => {
  const controller = new AbortController();
  const client = await start(
    {
      say(_request, call) {
        call.setTrailer("grpc-retry-pushback-ms", "20000");
        setImmediate(() => setImmediate(() => controller.abort()));
        throw unavailable;
      },
    },
    { retries: 1 },
  );
  await expect(client.say(say(""), { signal: controller.signal })).rejects.toMatchObject({
    status: "CANCELLED",
  });
});

test("a server that is away is UNAVAILABLE, with the address", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouse-sdk-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  using client = createClient(echoDefinition, { target: `unix:${folder}/nobody.sock`, retries: 0 });
  const error: RouseError = await client.say(say("")).catch((thrown) => thrown);
  expect(error.status).toBe("UNAVAILABLE");
  expect(error.message).toContain("nobody.sock");
});

test("a target that nobody can dial is refused at once", () => {
  for (const target of ["http://127.0.0.1:8080", "127.0.0.1", "unix:", "a b:1"]) {
    expect(() => createClient(echoDefinition, { target })).toThrow(
      `"${target}" is no address that a client can dial. Give "host:port" or "unix:/path".`,
    );
  }
});

test("clients of one target share a connection, which the last one closes", async () => {
  const peers = new Set<string>();
  const server = await startInProcess(echoDefinition, {
    ...echoHandlers,
    say(request, call) {
      peers.add(call.peer);
      return request;
    },
  });
  onTestFinished(() => server.close());
  const one = createClient(echoDefinition, { target: server.target });
  const two = createClient(echoDefinition, { target: server.target });
  await Promise.all([one.say(say("")), two.say(say(""))]);
  one.close();
  one.close();
  await two.say(say(""));
  expect(peers.size).toBe(1);
  two.close();
  const error: RouseError = await two.say(say("")).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(RouseError);
  expect(error.status).toBe("FAILED_PRECONDITION");
  expect(error.reason).toBe("CLIENT_CLOSED");
});

test("a mesh that is away for a moment is waited for, whatever the method; one that was never there is not", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouse-sdk-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const listen = `unix:${folder}/mesh.sock`;
  const serveThere = () => startInProcess(echoDefinition, echoHandlers, { log: quiet, listen });
  using early = createClient(echoDefinition, { target: listen, maxResponseBytes: 1_000 });
  await expect(early.write(say("x"))).rejects.toMatchObject({ status: "UNAVAILABLE" });
  using client = createClient(echoDefinition, { target: listen });
  const first = await serveThere();
  expect((await client.write(say("here"))).text).toContain("here");
  await first.close();
  using impatient = createClient(echoDefinition, { target: listen, retries: 0 });
  await expect(impatient.write(say("now"))).rejects.toMatchObject({ status: "UNAVAILABLE" });
  const waiting = [client.write(say("one")), client.say(say("two"))];
  await expect(client.write(say("three"), { deadlineMs: 300 })).rejects.toThrow();
  await using _second = await serveThere();
  expect((await Promise.all(waiting)).map(({ text }) => text)).toEqual([
    expect.stringContaining("one"),
    expect.stringContaining("two"),
  ]);
});
