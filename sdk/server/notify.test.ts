import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { notifyReady } from "./notify.ts";

/** An agent's socket. @returns its path, and the first connection with what was said on it. */
async function agentSocket() {
  const folder = await mkdtemp(join(tmpdir(), "rouse-sdk-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const server = createServer();
  const path = join(folder, "notify.sock");
  server.listen(path);
  await once(server, "listening");
  const heard = (async () => {
    const [socket] = (await once(server, "connection")) as [Socket];
    onTestFinished(() => void socket.destroy());
    const [line] = (await once(socket.setEncoding("utf8"), "data")) as [string];
    return { socket, line };
  })();
  onTestFinished(() => void server.close());
  return { path, heard };
}

test("an instance goes by the id that the agent answers", async () => {
  vi.stubEnv("ROUSE_INSTANCE", "slot-1");
  onTestFinished(() => void vi.unstubAllEnvs());
  const { path, heard } = await agentSocket();
  // Announcing does not wait for an answer.
  await notifyReady(path, "slot-1", "127.0.0.1:1");
  const { socket, line } = await heard;
  expect(JSON.parse(line)).toEqual({
    instance: "slot-1",
    address: "127.0.0.1:1",
    health: "SERVING",
    speaks: true,
  });
  expect(process.env.ROUSE_INSTANCE).toBe("slot-1");

  socket.write('{"instance":');
  socket.write('"echo-7"}\n{"instance":"too-late"}\n');
  await expect.poll(() => process.env.ROUSE_INSTANCE).toBe("echo-7");
});

test.each(["hello\n", "{}\n", '{"instance":7}\n', '{"instance":""}\n', "x".repeat(10_000)])(
  "an answer that names no instance changes nothing: %.20s",
  async (answer) => {
    vi.stubEnv("ROUSE_INSTANCE", "slot-1");
    onTestFinished(() => void vi.unstubAllEnvs());
    const { path, heard } = await agentSocket();
    await notifyReady(path, "slot-1", "127.0.0.1:1");
    const { socket } = await heard;
    socket.end(answer);
    // The instance has read all of it when it closes its side as well.
    await once(socket.resume(), "close");
    expect(process.env.ROUSE_INSTANCE).toBe("slot-1");
  },
);
