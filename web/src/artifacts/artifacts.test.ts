import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readTable } from "./csv.ts";
import { kindOf } from "./kind.ts";
import { artifactName, artifactPath } from "./uri.ts";

const rows = (text: string, separator: "," | "\t" = ",") => readTable(text, separator, 100).rows;

describe("tables", () => {
  test("of commas, quotes, line ends of all kinds, and a mark of byte order", () => {
    expect(rows('\uFEFFa,b\r\n"1,5","say ""hi"""\n\n"two\nlines",x\r')).toEqual([
      ["a", "b"],
      ["1,5", 'say "hi"'],
      ["two\nlines", "x"],
    ]);
    expect(rows("a\tb,c\n\t\n", "\t")).toEqual([
      ["a", "b,c"],
      ["", ""],
    ]);
    expect(rows("")).toEqual([]);
  });

  test("what breaks the rules is taken as it is", () => {
    expect(rows('"a" b,c"d\n"never closed, x')).toEqual([["a b", 'c"d'], ["never closed, x"]]);
  });

  test("no more rows than wanted, and whether there are more", () => {
    expect(readTable("a\nb\nc", ",", 2)).toEqual({ rows: [["a"], ["b"]], more: true });
    expect(readTable("a\nb\n", ",", 2)).toEqual({ rows: [["a"], ["b"]], more: false });
  });

  test("what was written by the rules is read again", () => {
    const cells = fc.string({ unit: fc.constantFrom("a", ",", '"', "\n", "\r", "\t", " ", "é") });
    const table = fc.array(fc.array(cells, { minLength: 2, maxLength: 4 }), { maxLength: 6 });
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(table, (written) => {
        const text = written.map((row) => row.map(quoted).join(",")).join("\r\n");
        expect(rows(text)).toEqual(written);
      }),
    );
  });
});

describe("how an artifact is shown", () => {
  const kind = (mediaType: string, name: string, head: Uint8Array | string = "") =>
    kindOf({ mediaType, name }, typeof head === "string" ? new TextEncoder().encode(head) : head)[0];

  test.each([
    ["image/svg+xml", "", "image"],
    ["text/csv; charset=utf-8", "", "table"],
    ["application/ld+json", "", "json"],
    ["", "windows.CSV", "table"],
    ["application/octet-stream", "plot.png", "image"],
    ["text/plain", "plot.svg", "text"],
    ["text/plain", "report.json", "json"],
    ["text/html", "page.html", "text"],
    ["chemical/x-pdb", "1abc.pdb", "text"],
  ])("%s %s is shown as %s", (mediaType, name, shown) => {
    expect(kind(mediaType, name, "abc")).toBe(shown);
  });

  test("what nothing is known of is looked at", () => {
    expect(kind("", "reads", ">lambda\nACGT\n")).toBe("text");
    expect(kind("", "reads", new Uint8Array([0, 1, 2]))).toBe("bytes");
    expect(kind("", "reads", new Uint8Array([0xff, 0xfe, 0x41]))).toBe("bytes");
    // A letter that is cut off by the end of what was read.
    expect(kind("", "text", new TextEncoder().encode("abcé").slice(0, -1))).toBe("text");
  });
});

test("an artifact's URI leads to its page", () => {
  const uri = `artifact:sha256-${"0a".repeat(32)}`;
  expect(artifactPath(`${uri}?name=a%20b.csv`)).toBe(`/artifacts/sha256-${"0a".repeat(32)}`);
  expect(artifactName(`${uri}?name=a%20b.csv`)).toBe("a b.csv");
  expect(artifactName(uri)).toBe("0a0a0a0a0a0a");
  expect(artifactPath("tasks.a.outputs.b")).toBeUndefined();
});
