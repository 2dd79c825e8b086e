import { join } from "node:path";
import { findOrfs } from "@rouse-examples/composition/orfs";
import { openGenome } from "@rouse-examples/genome-files";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drawReport } from "./figure.ts";
import { framesCsv, sumUpFrames } from "./frames.ts";
import { readWindowsCsv, sumUp, windowRows, windowsCsv } from "./windows.ts";
import { countWords, standingOut, wordsCsv } from "./words.ts";

const data = join(import.meta.dirname, "..", "..", "genome-files", "data");
const region = { reference: "NC_001416.1", start: 1, end: 48_502 };
let lambda: string;
let genome: Awaited<ReturnType<typeof openGenome>>;

beforeAll(async () => {
  genome = await openGenome({ fasta: join(data, "lambda.fa"), gff3: join(data, "lambda.gff3") });
  lambda = await genome.fasta.sequence(region.reference, region.start, region.end);
});
afterAll(async () => {
  await genome?.close();
});

describe("windows of phage lambda", () => {
  const rows = () => windowRows({ region, residues: lambda, window: 1_000, step: 0 });

  test("its left arm has more GC than its right one", () => {
    const found = rows();
    expect(found).toHaveLength(49);
    const mean = (from: number, to: number) => {
      const within = found.filter(({ start }) => start >= from && start < to);
      return within.reduce((sum, { gc = 0 }) => sum + gc, 0) / within.length;
    };
    // Skalka, Burgi, Hershey, J. Mol. Biol. 34 (1968) 1–16.
    const { gc, lowest, highest } = sumUp(found, lambda);
    expect(gc).toBeCloseTo(0.4986, 4);
    expect(mean(1, 20_000)).toBeGreaterThan(0.55);
    expect(mean(22_000, 40_000)).toBeLessThan(0.45);
    expect(highest?.start).toBeLessThan(20_000);
    expect(lowest?.start).toBeGreaterThan(20_000);
  });

  test("are the same after they were a table", () => {
    const found = rows();
    const again = readWindowsCsv(windowsCsv(found));
    expect(again).toHaveLength(found.length);
    for (const [index, { start, end, gc = 0, skew = 0 }] of found.entries()) {
      expect(again[index]).toMatchObject({ start, end });
      expect(again[index]?.gc).toBeCloseTo(gc, 4);
      expect(again[index]?.skew).toBeCloseTo(skew, 4);
    }
  });

  test("without any of the four letters have no GC", () => {
    const unknown = windowRows({ region: undefined, residues: "N".repeat(20), window: 10, step: 0 });
    expect(windowsCsv(unknown)).toBe("start,end,gc,skew\n1,10,,\n11,20,,\n");
    expect(readWindowsCsv(windowsCsv(unknown))).toEqual(unknown);
  });

  test("the last one takes up what is too short for a window of its own", () => {
    const places = (bases: number, window: number) =>
      windowRows({ region: undefined, residues: "ACGT".repeat(100).slice(0, bases), window, step: 0 }).map(
        ({ start, end }) => [start, end],
      );
    expect(places(24, 10)).toEqual([
      [1, 10],
      [11, 24],
    ]);
    expect(places(25, 10).at(-1)).toEqual([21, 25]);
    expect(places(3, 10)).toEqual([[1, 3]]);
    expect(windowRows({ region, residues: lambda, window: 500, step: 0 }).at(-1)?.start).toBe(48_001);
  });

  test("that cannot be are refused", () => {
    expect(() => windowRows({ region, residues: lambda, window: 3, step: 0 })).toThrow(
      "window is 3; choose 10 to 1,000,000 bases.",
    );
    expect(() => windowRows({ region, residues: "ACGT", window: 0, step: 0 })).toThrow(
      "There are 4 bases for the region 1-48502: give region and residues of one and the same answer",
    );
    expect(() => readWindowsCsv("start,end,gc,skew\n1,x,0.5,0\n")).toThrow(
      'Line 2 of the input "windows" is "1,x,0.5,0"; give the output windows.csv',
    );
  });
});

describe("words of phage lambda", () => {
  test("are counted on both strands", () => {
    const words = countWords("ACGTN" + "acg", 3);
    const there = words.filter(({ count }) => count > 0n).map(({ word, count }) => [word, Number(count)]);
    // ACG, CGT, ACG; on the other strand CGT, ACG, CGT.
    expect(there).toEqual([
      ["ACG", 3],
      ["CGT", 3],
    ]);
    const all = countWords(lambda, 4).reduce((sum, { count }) => sum + count, 0n);
    expect(all).toBe(2n * (48_502n - 3n));
  });

  test("what chance would bring is told from the shorter words", () => {
    const words = countWords(lambda, 4);
    const of = (word: string) => words.find((one) => one.word === word);
    const three = countWords(lambda, 3);
    const count = (word: string) => Number(three.find((one) => one.word === word)?.count);
    const ctag = of("CTAG");
    const ta = [...lambda.matchAll(/(?=TA)/g)].length * 2;
    expect(ctag?.expected).toBeCloseTo((count("CTA") * count("TAG")) / ta, 6);
    // Known of coliphages and their host: Burge, Campbell, Karlin, PNAS 89 (1992) 1358–1362.
    expect(ctag?.ratio).toBeLessThan(0.7);
    expect(standingOut(words).rarest.map(({ word }) => word)).toContain("CTAG");
    expect(wordsCsv(words).split("\n")).toHaveLength(1 + 256 + 1);
    // Both strands: a word is as frequent as its complement.
    expect(of("GATC")?.count).toBe(BigInt([...lambda.matchAll(/(?=GATC)/g)].length * 2));
    expect(of("AAAC")?.count).toBe(of("GTTT")?.count);
  });

  test("of other lengths are refused", () => {
    expect(() => countWords(lambda, 9)).toThrow("length is 9; count words of 3 to 8 letters.");
  });
});

describe("the report", () => {
  const frame = (start: number, end: number, annotated: string[] = []) => ({
    start,
    end,
    reverse: false,
    protein: "M".repeat(Math.floor((end - start + 1) / 3) - 1),
    annotated,
  });

  test("says how much lies in genes; bases in two of them count once", () => {
    const frames = [frame(1, 30, ["a"]), frame(21, 50, ["b", "c"]), frame(60, 89)];
    expect(sumUpFrames(frames, { ...region, end: 100 })).toEqual({
      frames: 3,
      annotated: 2,
      longest: 9,
      coding: 0.5,
    });
    expect(framesCsv(frames)).toBe(
      "start,end,strand,amino_acids,genes\n1,30,+,9,a\n21,50,+,9,b c\n60,89,+,9,\n",
    );
    expect(framesCsv([frame(1, 30, ['x,"y'])]).split("\n")[1]).toBe('1,30,+,9,"x,""y"');
  });

  test("is drawn of the whole phage, with nothing from elsewhere in it", () => {
    const frames = findOrfs(lambda, 1, 100).map((one) => ({ ...one, annotated: [] }));
    expect(frames.length).toBeGreaterThan(60);
    const rows = windowRows({ region, residues: lambda, window: 500, step: 0 });
    const svg = drawReport({ ...region, reference: 'a<b&"c"' }, rows, frames, 0.4986);
    expect(svg).toContain("a&#60;b&#38;&#34;c&#34;: 1 to 48,502");
    expect(svg.match(/<polygon /g)).toHaveLength(frames.length);
    expect(svg).not.toMatch(/NaN|Infinity|href|script/);
    expect(svg.length).toBeLessThan(100_000);
  });

  test("is drawn of a single base as well", () => {
    const one = { ...region, end: 1 };
    expect(drawReport(one, [{ start: 1, end: 1, gc: 1, skew: 1 }], [], 1)).not.toMatch(/NaN|Infinity/);
    expect(drawReport(one, [], [], 0)).not.toMatch(/NaN|Infinity/);
  });
});
