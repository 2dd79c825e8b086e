import { appendFile, mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OutlierFile } from "./outlier-file.ts";

let folder: string;
let file: string;
let followed: OutlierFile | undefined;
let lines: string[];
let first: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-outliers-"));
  file = join(folder, "envoy", "outliers.jsonl");
  lines = [];
  first = [];
});
afterEach(async () => {
  await followed?.close();
  await rm(folder, { recursive: true, force: true });
});

function follow(): void {
  const take = (read: readonly string[], isFirst: boolean) => {
    lines.push(...read);
    if (isFirst) first.push(...read);
  };
  followed = new OutlierFile(file, take, pino({ level: "silent" }));
  followed.start();
}

const until = (count: number) => expect.poll(() => lines.length, { timeout: 60_000 }).toBe(count);

test("reads what is there, and what comes, whole lines only", async () => {
  follow();
  // The file comes after it is followed.
  await writeFile(file, "a\nb");
  await until(1);
  await appendFile(file, "c\nd\n");
  await until(3);
  expect(lines).toEqual(["a", "bc", "d"]);
  await followed?.close();
  lines = [];
  follow();
  await until(3);
  expect(first).toContain("d");
});

test("begins anew with a file that was emptied", async () => {
  follow();
  await writeFile(file, "a long line\n");
  await until(1);
  await truncate(file);
  await appendFile(file, "b\n");
  await until(2);
  expect(lines).toEqual(["a long line", "b"]);
});

test("empties a file that grew long, and reads on; of one that is far too long only the end", async () => {
  follow();
  await writeFile(file, `${"x".repeat(2 << 20)}\nlast\n`);
  await expect.poll(() => lines.at(-1), { timeout: 60_000 }).toBe("last");
  await expect.poll(async () => (await stat(file)).size, { timeout: 60_000 }).toBe(0);
  await appendFile(file, "next\n");
  await expect.poll(() => lines.at(-1), { timeout: 60_000 }).toBe("next");
  // Without a line's end it is no file of lines.
  await followed?.close();
  await writeFile(file, "x".repeat(5 << 20));
  follow();
  await expect.poll(async () => (await stat(file)).size, { timeout: 60_000 }).toBe(0);
  await appendFile(file, "more\n");
  await expect.poll(() => lines.at(-1), { timeout: 60_000 }).toBe("more");
});
