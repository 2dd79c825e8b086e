import { once } from "node:events";
import { Client, credentials, Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { adsService, type DeltaRequest, type DeltaResponse, encodeDeltaResponse } from "../proto/wire.ts";
import { sendFramesAsTheyAre } from "./framed.ts";
import { Page } from "./pages.ts";
import { resourceOfBytes } from "./resource.ts";

const closes: (() => void)[] = [];
afterEach(() => {
  for (const close of closes.splice(0)) close();
});

const resources = ["a", "b"].map((name) => resourceOfBytes("cluster", name, Buffer.alloc(100_000, name), 1));
const page = new Page("cluster", "page 1", 1, resources);
const other: DeltaResponse = { resources, removed: ["c"], typeUrl: "t", nonce: "2", systemVersion: "2" };

/** What a client reads when a server answers it with these responses. */
async function read(responses: readonly DeltaResponse[], prepare: (call: object) => void): Promise<Buffer[]> {
  const server = new Server();
  closes.push(() => server.forceShutdown());
  server.addService(adsService, {
    deltaAggregatedResources: (call: ServerDuplexStream<DeltaRequest, DeltaResponse>) => {
      prepare(call);
      for (const response of responses) call.write(response);
      call.end();
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  closes.push(() => client.close());
  const { path } = adsService.deltaAggregatedResources;
  const bytes = (buffer: Buffer) => buffer;
  const stream = client.makeBidiStreamRequest(path, bytes, bytes);
  const read: Buffer[] = [];
  stream.on("data", (message: Buffer) => read.push(message));
  await once(stream, "end");
  return read;
}

test("pages and other responses arrive in their order, whether or not grpc-js lets pages be sent as they are", async () => {
  const responses = [page, other, page];
  const expected = responses.map(encodeDeltaResponse);
  for (const prepare of [sendFramesAsTheyAre, () => undefined])
    expect(await read(responses, prepare)).toEqual(expected);
});

test("this version of grpc-js lets pages be sent without a copy", async () => {
  const written: Buffer[] = [];
  const responses = [page, page];
  await read(responses, (call) => {
    sendFramesAsTheyAre(call);
    const { stream } = (call as { call: { stream: { write(frame: Buffer, done: () => void): boolean } } })
      .call;
    const write = stream.write.bind(stream);
    stream.write = (frame, done) => {
      written.push(frame);
      return write(frame, done);
    };
  });
  expect(written.length).toBe(2);
  for (const frame of written) expect(frame).toBe(page.frame);
});
