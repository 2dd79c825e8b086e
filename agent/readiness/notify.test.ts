import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { type Announced, NotifySocket } from "./notify.ts";

async function open(): Promise<NotifySocket> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-test-notify-"));
  const notify = await NotifySocket.open(join(folder, "notify.sock"), pino({ level: "silent" }));
  onTestFinished(async () => {
    await notify.close();
    await rm(folder, { recursive: true, force: true });
  });
  return notify;
}

test("who announces itself before it is awaited is heard then", async () => {
  const notify = await open();
  const socket = connect(notify.path).setEncoding("utf8");
  // Read in this order: when the second is answered, the first lies there.
  const second = new Promise<Announced>((resolve) => notify.await("second", "echo-2", resolve));
  socket.write(`{"instance":"first","address":"127.0.0.1:1","health":"SERVING"}\n`);
  socket.write(`{"instance":"second","address":"127.0.0.1:2"}\n`);
  expect(await second).toEqual({ address: "127.0.0.1:2", serving: false });
  const answer = once(socket, "data");
  const first = new Promise<Announced>((resolve) => notify.await("first", "echo-1", resolve));
  expect(await first).toEqual({ address: "127.0.0.1:1", serving: true });
  expect(String(await answer)).toContain("echo-");
  socket.destroy();
});

test("who announces itself by its container's name is answered by the instance's id", async () => {
  const notify = await open();
  const announced = new Promise<Announced>((resolve) => notify.await("slot-1", "echo-7", resolve));
  const socket = connect(notify.path).setEncoding("utf8");
  socket.write(`{"instance":"slot-9","address":"127.0.0.1:1"}\n`);
  socket.end(`{"instance":"slot-1","address":"127.0.0.1:2","health":"SERVING"}\n`);
  expect(await once(socket, "data")).toEqual(['{"instance":"echo-7"}\n']);
  expect(await announced).toEqual({ address: "127.0.0.1:2", serving: true });
});
