import { expect, test } from "vitest";
import { OutputLines } from "./output-lines.ts";

const linesOf = (...chunks: string[]) => {
  const lines = new OutputLines();
  return [...chunks.flatMap((chunk) => lines.take(Buffer.from(chunk))), ...lines.end()];
};

test("lines are put together from chunks, also within a character", () => {
  expect(linesOf("a", "b\nc\r\n", "\nd")).toEqual(["ab", "c", "", "d"]);
  const bytes = Buffer.from("é\n");
  const lines = new OutputLines();
  expect([...lines.take(bytes.subarray(0, 1)), ...lines.take(bytes.subarray(1))]).toEqual(["é"]);
});

test("nothing reaches a reader's terminal but text", () => {
  expect(linesOf("\u001b[2J\u001b]0;title\u0007red\u001b[31m!\u0000\n")).toEqual(["red!"]);
  expect(linesOf("10 %\r20 %\rdone\n")).toEqual(["done"]);
  expect(linesOf("a\tb\u202Ec\u009b31m\n")).toEqual(["a  bc"]);
});

test("a line without end is cut, and takes no memory", () => {
  const [line = ""] = linesOf("x".repeat(5_000), "y".repeat(50_000), "\n");
  expect(line.length).toBeLessThan(2_100);
  expect(line).toMatch(/^x{2000} … \(\d+ more characters\)$/);
});
