import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTime, withLock } from "./lock.mjs";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rouse-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("one of several holds the lock at a time, and it is gone afterwards", async () => {
  const lock = join(folder, "parent", "lock");
  let holders = 0;
  let most = 0;
  const work = () =>
    withLock(lock, async () => {
      most = Math.max(most, ++holders);
      await new Promise((resolve) => setImmediate(resolve));
      holders -= 1;
    });
  await Promise.all([work(), work(), work()]);
  expect(most).toBe(1);
  expect(existsSync(lock)).toBe(false);
});

test("who waits is told the owner, and may give up", async () => {
  const lock = join(folder, "lock");
  await withLock(lock, async () => {
    const second = withLock(
      lock,
      async () => {},
      (owner) => {
        throw new Error(`held by ${owner}`);
      },
    );
    await expect(second).rejects.toThrow(`held by ${process.pid}`);
  });
});

test("a lock whose owner has died, or whose id belongs to another process now, is taken over", async () => {
  const dead = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  const owner = { pid: dead.pid, start: startTime(dead.pid ?? 0) };
  await once(dead, "exit");
  for (const left of [owner, { pid: process.pid, start: "1" }]) {
    const lock = join(folder, "lock");
    mkdirSync(lock);
    writeFileSync(join(lock, "owner.json"), JSON.stringify(left));
    expect(await withLock(lock, async () => "done")).toBe("done");
  }
});

test("a failure of the work frees the lock", async () => {
  const lock = join(folder, "lock");
  await expect(withLock(lock, () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(existsSync(lock)).toBe(false);
});
