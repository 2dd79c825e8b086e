import { RouseError } from "rouse/errors";
import { expect, test } from "vitest";
import { openGff3 } from "./gff3.ts";
import { tempFiles } from "./temp-files.ts";

const good = "a\t.\tgene\t5\t9\t.\t+\t.\tID=g1";
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail("it should have failed"),
    (error: unknown) => RouseError.from(error),
  );
async function list<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test.each([
  ["a\tb\tgene\t5", ":3: a feature has 9 columns with tabs between them (reference, source, type,"],
  ["a gene 5 9 . + . ID=g1 x", "this line has 1."],
  [good.replace("a", "."), ":3: column 1 (reference) is empty."],
  [good.replace("gene", "."), ":3: column 3 (type) is empty."],
  [good.replace("5", "five"), ':3: column 4 (start) is "five"; write a whole number from 1 to 4294967295.'],
  [good.replace("5", "0"), ':3: column 4 (start) is "0"'],
  [good.replace("9", "9.5"), ':3: column 5 (end) is "9.5"'],
  [good.replace("5", "10"), ":3: the start 10 is behind the end 9; GFF3 wants start <= end."],
  [good.replace("9\t.", "9\thigh"), ':3: column 6 (score) is "high"; write a number or ".".'],
  [good.replace("+", "plus"), ':3: column 7 (strand) is "plus"; write +, -, . or ?.'],
  [good.replace("+\t.", "+\t3"), ':3: column 8 (phase) is "3"; write 0, 1, 2 or ".".'],
  [`${good};Note=100%`, ":3: a % is not followed by two hexadecimal digits; write a percent sign as %25."],
])("a GFF3 line %j is refused with its number", async (line, message) => {
  await using files = await tempFiles();
  const error = await failure(
    openGff3(await files.write("bad.gff3", `##gff-version 3\n# by hand\n${line}\n`)),
  );
  expect(error.reason).toBe("GFF3_INVALID");
  expect(error.message).toContain(message);
});

test("a file of another format is told so", async () => {
  await using files = await tempFiles();
  const gtf = await failure(openGff3(await files.write("a.gtf", 'a\tx\tgene\t1\t2\t.\t+\t.\tgene_id "g"\n')));
  expect(gtf.message).toMatch(/a\.gtf:1: this is no GFF3 file: its first line must be "##gff-version 3"/);
  const long = await failure(
    openGff3(await files.write("b.gff3", `##gff-version 3\n${"x".repeat(1_100_000)}`)),
  );
  expect(long.reason).toBe("LINE_TOO_LONG");
  expect(long.message).toContain("b.gff3:2: the line is longer than 1048576 bytes");
});

test("features come by their start, by type and by name, from an unsorted file with CRLF and FASTA", async () => {
  await using files = await tempFiles();
  const rows = [
    "b\t.\tgene\t1\t4\t.\t.\t.\tID=g0",
    "a\t.\tCDS\t7\t9\t1.5\t-\t2\tID=c1;Parent=g1;Name=alpha;Note=one%3B two,three",
    "a\t.\tgene\t5\t9\t.\t-\t.\tID=g1;Name=alpha",
    "a\t.\tregion\t1\t100\t.\t?\t.\t.",
    "a\t.\tgene\t50\t60\t.\t+\t.\tID=g2",
    "c%201\t.\tgene\t1\t1\t.\t+\t.\tName=50%25 more%2C or less",
  ];
  const text = ["##gff-version 3", ...rows, "##FASTA", ">a", "ACGT"].join("\r\n");
  const gff3 = await openGff3(await files.write("a.gff3", text));
  const at = async (start: number, end: number, types?: string[]) =>
    (await list(gff3.overlapping({ reference: "a", start, end }, types))).map((f) => `${f.type} ${f.start}`);
  expect(await at(9, 49)).toEqual(["region 1", "gene 5", "CDS 7"]);
  expect(await at(10, 49)).toEqual(["region 1"]);
  expect(await at(60, 60, ["gene"])).toEqual(["gene 50"]);
  expect(await at(1, 100, ["CDS", "gene"])).toEqual(["gene 5", "CDS 7", "gene 50"]);
  expect(await at(1, 100, ["exon"])).toEqual([]);
  expect(gff3.types).toEqual(["gene", "CDS", "region"]);
  const named = await list(gff3.named("alpha"));
  expect(named.map(({ type }) => type)).toEqual(["CDS", "gene"]);
  expect(named[0]).toMatchObject({ score: 1.5, phase: 2, strand: "-", name: "alpha" });
  expect(named[0]?.attributes.Note).toEqual(["one; two", "three"]);
  expect(await list(gff3.named("beta"))).toEqual([]);
  const [escaped] = await list(gff3.overlapping({ reference: "c 1", start: 1, end: 1 }));
  expect([escaped?.reference, escaped?.name]).toEqual(["c 1", "50% more, or less"]);
  expect(await list(gff3.named("50% more, or less"))).toEqual([escaped]);
  expect((await list(gff3.named("g0")))[0]?.reference).toBe("b");
  await gff3.close();
});
