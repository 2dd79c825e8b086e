import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { expect, onTestFinished, test, vi } from "vitest";
import { reportVitals } from "./vitals.ts";

interface Line {
  readonly instance: string;
  readonly vitals: { readonly loopDelayMs: number; readonly queue: number; readonly inProgress: number };
}

test("an instance says how many calls it has, when its event loop is blocked, and finds an agent that restarts", async () => {
  vi.stubEnv("ROUSE_INSTANCE", "echo-7");
  const folder = await mkdtemp(join(tmpdir(), "rouse-sdk-"));
  const path = join(folder, "notify.sock");
  const lines: Line[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.setEncoding("utf8").on("data", (text: string) => {
      for (const line of text.split("\n")) if (line !== "") lines.push(JSON.parse(line));
    });
    socket.on("error", () => undefined);
  });
  server.listen(path);
  await once(server, "listening");
  onTestFinished(async () => {
    vi.unstubAllEnvs();
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const socket = connect(path);
  await once(socket, "connect");
  const calls = { queue: 0, inProgress: 3 };
  reportVitals(path, socket, () => calls);
  const heard = (holds: (line: Line) => boolean) =>
    expect.poll(() => lines.some(holds), { timeout: 60_000 }).toBe(true);

  await heard(({ instance, vitals }) => instance === "echo-7" && vitals.inProgress === 3);
  calls.queue = 5;
  await heard(({ vitals }) => vitals.queue === 5);

  const busy = setInterval(() => {
    const untilMs = performance.now() + 400;
    while (performance.now() < untilMs);
  }, 1);
  await heard(({ vitals }) => vitals.loopDelayMs > 100);
  clearInterval(busy);

  lines.length = 0;
  for (const one of sockets) one.destroy();
  await heard(({ instance }) => instance === "echo-7");
});
