import { once } from "node:events";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import { expect, test } from "vitest";
import { listeningAddresses } from "./listening.ts";
import { awaitPort } from "./port.ts";

async function portOf(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test("waits until a port opens and knows HTTP/2 by its first frame", async () => {
  const server = createServer();
  const port = await portOf(server);
  await new Promise((resolve) => server.close(resolve));
  const answer = awaitPort("127.0.0.1", port, AbortSignal.timeout(20_000));
  const late = createHttp2Server();
  late.listen(port, "127.0.0.1");
  expect(await answer).toEqual({ kind: "http2" });
  late.close();
});

test("knows what is no HTTP/2 by its words", async () => {
  const server = createServer((socket) => socket.end("220 mail.example ready\r\n"));
  const answer = await awaitPort("127.0.0.1", await portOf(server), AbortSignal.timeout(20_000));
  expect(answer).toEqual({ kind: "other", words: "220 mail.example ready" });
  server.close();
});

test("gives up when told so", async () => {
  const given = new AbortController();
  const waiting = awaitPort("127.0.0.1", 1, given.signal);
  given.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow(/enough|aborted/);
});

test.skipIf(process.platform !== "linux")("sees on which addresses a process listens", async () => {
  const server = createServer();
  const port = await portOf(server);
  const six = createServer().listen(0, "::1");
  await once(six, "listening");
  const own = listeningAddresses(process.pid, true);
  expect(own).toContain(`127.0.0.1:${port}`);
  expect(own).toContain(`[::1]:${(six.address() as AddressInfo).port}`);
  expect(listeningAddresses(1 << 29, true)).toEqual([]);
  server.close();
  six.close();
});
