import { expect, test } from "vitest";
import { ansiPieces } from "./ansi.ts";
import { addLines, emptyBuffer, longestLine } from "./buffer.ts";

const line = { atMs: 1n, version: "1.0.0", instance: "i", host: "h", stream: "stdout", text: "x" };

test("colours stay, and all else that a terminal would obey is taken out", () => {
  const plain = (text: string) =>
    ansiPieces(text)
      .map((piece) => piece.text)
      .join("");
  expect(ansiPieces("\u001b[1;31mbad\u001b[0m ok \u001b[92mgreen\u001b[39m.")).toEqual([
    { text: "bad", style: "ansi-red ansi-bold" },
    { text: " ok ", style: "" },
    { text: "green", style: "ansi-green" },
    { text: ".", style: "" },
  ]);
  expect(plain("\u001b]0;title\u0007a\u001b[2Jb\u001b]8;;http://x\u001b\\c\rd\u0000e")).toBe("abcde");
  expect(plain("\u001b[38;5;200mx\u001b[48;2;1;2;3my")).toBe("xy");
  expect(plain("a\u202eb\u2066c")).toBe("abc");
  expect(plain("<b>&amp;\ttab</b>")).toBe("<b>&amp;\ttab</b>");
  expect(plain("cut off \u001b[3")).toBe("cut off [3");
});

test("a buffer keeps the latest lines with their numbers, and cuts long ones", () => {
  const made = addLines(
    addLines(emptyBuffer, [line, line], 3),
    [line, { ...line, text: "y".repeat(9_000) }],
    3,
  );
  expect(made.count).toBe(4);
  expect(made.lines.map(({ number }) => number)).toEqual([1, 2, 3]);
  expect(made.lines.at(-1)?.text).toBe(`${"y".repeat(longestLine)}… (9000 characters)`);
});
