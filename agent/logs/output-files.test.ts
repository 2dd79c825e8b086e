import { appendFile, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LineSplitter } from "./line-splitter.ts";
import { OutputFiles } from "./output-files.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-test-output-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const never = new Promise<void>(() => {});
const collect = async (output: OutputFiles, tail: number) => {
  const lines: string[] = [];
  for await (const { stream, line } of output.read({ tail, follow: false }, never))
    lines.push(`${stream} ${line}`);
  return lines;
};

test("the tail is the last lines of each stream, also of a big file and without a last newline", async () => {
  const output = new OutputFiles(folder, "tail");
  const many = Array.from({ length: 50_000 }, (_, index) => `line ${index} ä`).join("\n");
  await writeFile(output.path("stdout"), many);
  await writeFile(output.path("stderr"), "one\r\ntwo\n");
  expect(await collect(output, 2)).toEqual([
    "stdout line 49998 ä",
    "stdout line 49999 ä",
    "stderr one",
    "stderr two",
  ]);
  expect(await collect(output, 0)).toEqual([]);
  expect(await collect(output, 60_000)).toHaveLength(50_002);
  expect(await collect(new OutputFiles(folder, "none"), 5)).toEqual([]);
});

test("a file that has outgrown its bounds is cut, and followers read on", async () => {
  const output = new OutputFiles(folder, "bound");
  await writeFile(output.path("stdout"), "");
  await writeFile(output.path("stderr"), "");
  const ended = Promise.withResolvers<void>();
  const got: string[] = [];
  const following = (async () => {
    for await (const { line } of output.read({ tail: 0, follow: true }, ended.promise)) {
      got.push(line);
      if (line === "first") {
        await output.bound(2);
        expect((await stat(output.path("stdout"))).size).toBe(0);
        await appendFile(output.path("stdout"), "second\nun");
        await appendFile(output.path("stdout"), "finished");
        ended.resolve();
      }
    }
  })();
  await appendFile(output.path("stdout"), "first\n");
  await following;
  expect(got).toEqual(["first", "second", "unfinished"]);
  // The older half is still there for the tail.
  expect(await collect(output, 10)).toEqual(["stdout first", "stdout second", "stdout unfinished"]);
});

test("lines come whole, whatever chunks cut apart", () => {
  const splitter = new LineSplitter();
  const bytes = Buffer.from("grün\nblau");
  const lines = [...bytes].flatMap((byte) => splitter.push(Uint8Array.of(byte)));
  expect([...lines, ...splitter.end()]).toEqual(["grün", "blau"]);
  const long = splitter.push(Buffer.alloc(200_000, "x"));
  expect(long.join("").length + splitter.end().join("").length).toBe(200_000);
});

test("lines behind a position, each with its own, and none twice or lost over a cut and a new reader", async () => {
  const output = new OutputFiles(folder, "placed");
  await writeFile(output.path("stdout"), "one\ntwo ä\r\n");
  const never = new AbortController().signal;
  const read = async (stdout: number) => {
    const found: [string, number][] = [];
    for await (const { line, position } of output.after({ stdout, stderr: 0 }, Promise.resolve(), never))
      found.push([line, position]);
    return found;
  };
  expect(await read(0)).toEqual([
    ["one", 4],
    ["two ä", 12],
  ]);
  expect(await read(4)).toEqual([["two ä", 12]]);
  // The older half is kept beside, and positions go on.
  await output.bound(2);
  await appendFile(output.path("stdout"), "three\n");
  expect(await read(4)).toEqual([
    ["two ä", 12],
    ["three", 18],
  ]);
  expect(await read(12)).toEqual([["three", 18]]);
  await output.bound(2);
  await appendFile(output.path("stdout"), "four");
  // What is cut off for good is not there any more.
  expect(await read(0)).toEqual([
    ["three", 18],
    ["four", 22],
  ]);
  expect(await read(22)).toEqual([]);
  await output.remove();
});
