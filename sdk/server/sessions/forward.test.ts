import {
  type Client,
  type ClientDuplexStream,
  Metadata,
  Server,
  ServerCredentials,
  type StatusObject,
  status,
} from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import type { AnyMethodDefinition } from "../../definition.ts";
import { echoDefinition } from "../../fixtures/echo.ts";
import { inSession } from "./handlers.ts";
import { SessionKeeper } from "./keeper.ts";
import { type Peer, peerOf } from "./peers.ts";
import { addSessions } from "./service.ts";

/* Real servers that pass calls of sessions on to each other, while one of them ends. */

const HEADER = "x-session";
const { say, chat } = echoDefinition.methods;
const same = (bytes: Buffer) => bytes;
const log = { info: () => {}, error: () => {} };

interface Instance {
  readonly id: string;
  readonly keeper: SessionKeeper<undefined>;
  readonly server: Server;
  readonly address: string;
  /** The others, as this one knows them. */
  readonly peers: Map<string, ReturnType<typeof peerOf>>;
  /** Calls that were handled here, as "method hops". */
  readonly handled: string[];
}

async function instance(id: string): Promise<Instance> {
  const keeper = new SessionKeeper<undefined>({
    times: { idleMs: 60_000, retireMs: 60_000, handOverMs: 5_000 },
    hooks: { handOver: () => Buffer.of(), takeOver: () => {} },
    state: () => undefined,
    log,
    ownId: () => id,
  });
  const server = new Server();
  const handled: string[] = [];
  const hops = (metadata: Metadata) => String(metadata.get("rouse-session-hops")[0] ?? 0);
  const handle = (method: AnyMethodDefinition, work: (call: never, respond: never) => void) =>
    server.register(
      method.path,
      inSession(keeper, HEADER, method, work as never),
      same,
      same,
      method.requestStream ? "bidi" : "unary",
    );
  type Unary = { metadata: Metadata; request: Buffer };
  handle(say, ({ metadata, request }: Unary, respond: (error: object | null, bytes?: Buffer) => void) => {
    handled.push(`say ${hops(metadata)}`);
    if (String(request) === "fail")
      respond({ code: status.UNAVAILABLE, details: "No connection established. Last error: …" });
    else respond(null, Buffer.from(`${id} ${request}`));
  });
  type Stream = {
    metadata: Metadata;
    iterator(): AsyncIterable<Buffer>;
    write(bytes: Buffer): void;
    end(): void;
  };
  handle(chat, async (call: Stream) => {
    handled.push(`chat ${hops(call.metadata)}`);
    for await (const bytes of call.iterator()) call.write(Buffer.from(`${id} ${bytes}`));
    call.end();
  });
  addSessions(server, keeper);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  onTestFinished(() => {
    server.forceShutdown();
    keeper.close();
  });
  return { id, keeper, server, address: `127.0.0.1:${port}`, peers: new Map(), handled };
}

/** Instances that know each other. */
async function instances(...ids: string[]): Promise<Instance[]> {
  const all = await Promise.all(ids.map(instance));
  for (const { id, keeper, peers } of all) {
    for (const other of all)
      if (other.id !== id) peers.set(other.id, peerOf(other.id, other.address, other.keeper.retiring));
    keeper.meet({
      known: Promise.resolve(),
      all: () => [...peers.values()],
      has: (peer: Peer) => peers.get(peer.id) === peer,
      report: () => {},
      close: () => {
        for (const { channel } of peers.values()) channel.release();
      },
    });
  }
  return all;
}

/** Calls an instance as Envoy does. */
function caller({ address }: Instance): Client {
  const { grpc, channel } = peerOf("caller", address, false);
  onTestFinished(() => channel.release());
  return grpc;
}

function key(value: string): Metadata {
  const metadata = new Metadata();
  metadata.set(HEADER, value);
  return metadata;
}

/** Resolves when all answers have been read. */
function ended(call: ClientDuplexStream<Buffer, Buffer>): Promise<StatusObject> {
  const read = new Promise((resolve) => call.once("end", resolve));
  call.on("error", () => undefined);
  return new Promise((resolve) => call.once("status", (outcome) => read.then(() => resolve(outcome))));
}

/** One call of the session: the answer, and the names of its trailers. */
async function ask(grpc: Client, session: string, text = "hello") {
  const call = grpc.makeBidiStreamRequest(say.path, same, same, key(session));
  const texts: string[] = [];
  call.on("data", (bytes: Buffer) => texts.push(String(bytes)));
  call.end(Buffer.from(text));
  const { code, metadata } = await ended(call);
  return { code, answer: texts[0], trailers: Object.keys(metadata.getMap()) };
}

/** A session of `goes` that `asks` has found there, and that has been given to `takes` since. */
async function moved() {
  const [goes, takes, asks] = (await instances("goes", "takes", "asks")) as [Instance, Instance, Instance];
  const envoy = caller(asks);
  await ask(caller(goes), "k");
  expect((await ask(envoy, "k")).answer).toBe("goes hello");
  // Nobody else is to be chosen.
  goes.peers.delete("asks");
  await goes.keeper.end();
  return { goes, takes, asks, envoy };
}

/** GOAWAY, no new connections, and what is open ends. */
const shutDown = ({ server }: Instance) => new Promise((resolve) => server.tryShutdown(resolve));

test("a call for an instance that has ended since goes to where its session is now", async () => {
  const { goes, takes, envoy } = await moved();
  await shutDown(goes);
  expect((await ask(envoy, "k")).code).toBe(status.OK);
  expect([takes.keeper.live, goes.handled]).toEqual([0, ["say 0", "say 1"]]);
});

test("calls that are on their way while an instance shuts down are answered", async () => {
  const { goes, envoy } = await moved();
  const calls = [ask(envoy, "k"), ask(envoy, "k")];
  const down = shutDown(goes);
  calls.push(ask(envoy, "k"), ask(envoy, "k"));
  expect((await Promise.all(calls)).map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  await down;
});

test("a call finds its session when the mesh drops the instance that it was for", async () => {
  const { goes, asks, envoy } = await moved();
  const peer = asks.peers.get("goes");
  const place = asks.keeper.place.bind(asks.keeper);
  asks.keeper.place = async (...of) => {
    const found = await place(...of);
    asks.peers.delete("goes");
    peer?.channel.release();
    return found;
  };
  expect((await ask(envoy, "k")).code).toBe(status.OK);
  expect(goes.handled).toEqual(["say 0", "say 1"]);
});

test("of a stream that an ended instance did not take, nothing is lost", async () => {
  const { goes, envoy } = await moved();
  await shutDown(goes);
  const call = envoy.makeBidiStreamRequest(chat.path, same, same, key("k"));
  const texts: string[] = [];
  call.on("data", (bytes: Buffer) => texts.push(String(bytes).split(" ").slice(1).join(" ")));
  for (const text of ["one", "two", "three"]) call.write(Buffer.from(text));
  call.end();
  const { code } = await ended(call);
  expect({ code, texts }).toEqual({ code: status.OK, texts: ["one", "two", "three"] });
});

test("who passes a call on is not to end before it", async () => {
  const [lives, asks] = (await instances("lives", "asks")) as [Instance, Instance];
  await ask(caller(lives), "k");
  const envoy = caller(asks);
  for (const end of ["end", "cancel"] as const) {
    const call = envoy.makeBidiStreamRequest(chat.path, same, same, key("k"));
    const over = ended(call);
    call.write(Buffer.from("one"));
    expect(await new Promise((resolve) => call.once("data", (bytes) => resolve(String(bytes))))).toBe(
      "lives one",
    );
    expect(asks.keeper.live).toBe(1);
    call[end]();
    await over;
    await expect.poll(() => asks.keeper.live).toBe(0);
  }
});

test("what a handler says of its own callees is told as it is, and its call made once", async () => {
  const [lives, asks] = (await instances("lives", "asks")) as [Instance, Instance];
  await ask(caller(lives), "k");
  expect((await ask(caller(asks), "k", "fail")).code).toBe(status.UNAVAILABLE);
  expect(lives.handled).toEqual(["say 0", "say 1"]);
});

test("who has a call passed on twice learns that its session has moved; the caller sees nothing of it", async () => {
  const { goes, takes, asks, envoy } = await moved();
  // It stays there, whoever is called.
  await ask(caller(takes), "k");
  takes.handled.length = 0;
  const first = await ask(envoy, "k");
  expect(first.answer).toBe("takes hello");
  expect(first.trailers).not.toContain("rouse-session-moved");
  await ask(envoy, "k");
  expect(takes.handled).toEqual(["say 2", "say 1"]);
  expect([goes.keeper.live, asks.keeper.live]).toEqual([0, 0]);
});
