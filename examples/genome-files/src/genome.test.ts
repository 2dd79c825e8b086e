import { RouseError } from "rouse/errors";
import { expect, test } from "vitest";
import { filesOf, openGenome } from "./genome.ts";
import { pageOf } from "./page.ts";
import { resolveRegion } from "./region.ts";
import { tempFiles } from "./temp-files.ts";

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail("it should have failed"),
    (error: unknown) => RouseError.from(error),
  );
const thrown = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return RouseError.from(error);
  }
  return expect.fail("it should have failed");
};
const shipped = () => ({ fasta: "lambda.fa", gff3: "lambda.gff3" });

test("the user's files come before the shipped ones", () => {
  expect(filesOf({}, shipped)).toEqual({ fasta: "lambda.fa", gff3: "lambda.gff3" });
  expect(filesOf({ GENOME_FASTA: "/my.fa" }, shipped)).toEqual({ fasta: "/my.fa", gff3: undefined });
  expect(filesOf({ GENOME_FASTA: "/my.fa", GENOME_GFF3: "/my.gff3" }, shipped).gff3).toBe("/my.gff3");
  const error = thrown(() => filesOf({ GENOME_GFF3: "/my.gff3" }, shipped));
  expect([error.reason, error.message]).toEqual([
    "FASTA_MISSING",
    "GENOME_GFF3 is /my.gff3 but GENOME_FASTA is not set; name the sequence that these features belong to.",
  ]);
});

test("files of different assemblies are refused", async () => {
  await using files = await tempFiles();
  const fasta = await files.write("a.fa", ">chr1\nACGTACGT\n>chr2\nAC\n");
  const gff3 = (row: string) => files.write("a.gff3", `##gff-version 3\n${row}\n`);
  const other = await failure(openGenome({ fasta, gff3: await gff3("1\t.\tgene\t1\t2\t.\t+\t.\t.") }));
  expect(other.reason).toBe("FILES_DO_NOT_MATCH");
  expect(other.message).toMatch(
    /a\.gff3 has features of "1", which .*a\.fa lacks \(it has chr1, chr2\); use files of/,
  );
  const long = await failure(openGenome({ fasta, gff3: await gff3("chr1\t.\tgene\t1\t9\t.\t+\t.\t.") }));
  expect(long.message).toMatch(
    /a\.gff3 has a feature that ends at 9 of "chr1", which in .*a\.fa has 8 bases/,
  );
  const none = await failure(openGenome({ fasta, gff3: files.path("none.gff3") }));
  expect(none.message).toContain("Name it in GENOME_GFF3");
  const genome = await openGenome({ fasta, gff3: undefined });
  for await (const feature of genome.gff3.overlapping({ reference: "chr1", start: 1, end: 8 }))
    expect.fail(`there is ${feature.name}`);
  await genome.close();
});

const references = new Map(
  ["r1", "r2", "r3", "r4", "r5", "r6"].map((name, i) => [
    name,
    { name, description: "", length: 100 * (i + 1) },
  ]),
);

test("a region is filled in", () => {
  expect(resolveRegion({ reference: "r1", start: 0, end: 0 }, references)).toEqual({
    reference: "r1",
    start: 1,
    end: 100,
  });
  expect(resolveRegion({ reference: "r1", start: 7, end: 9 }, references, 3)).toMatchObject({
    start: 7,
    end: 9,
  });
});

test.each([
  [undefined, "REGION_INVALID", 'The request names no reference; write region: {reference: "r1"}.'],
  [
    { reference: "chr1", start: 1, end: 2 },
    "REFERENCE_UNKNOWN",
    'There is no reference "chr1"; there are "r1", "r2", "r3", "r4", "r5" and 1 more.',
  ],
  [
    { reference: "r2", start: 201, end: 0 },
    "REGION_OUT_OF_BOUNDS",
    "r2:201-200 is outside: r2 goes from 1 to 200.",
  ],
  [
    { reference: "r2", start: 1, end: 201 },
    "REGION_OUT_OF_BOUNDS",
    "r2:1-201 is outside: r2 goes from 1 to 200.",
  ],
  [
    { reference: "r2", start: 9, end: 8 },
    "REGION_INVALID",
    "The start 9 is behind the end 8; r2 goes from 1 to 200, and a region is read forwards.",
  ],
  [
    { reference: "r2", start: 1, end: 51 },
    "REGION_TOO_LONG",
    "The region has 51 bases; ask for at most 50 at a time.",
  ],
])("the region %j is refused", (region, reason, message) => {
  const error = thrown(() => resolveRegion(region, references, 50));
  expect([error.reason, error.message]).toEqual([reason, message]);
});

test("a list is paged, and a page that is none is refused", () => {
  const all = Array.from({ length: 25 }, (_, i) => i);
  const seen: number[] = [];
  let token = "";
  do {
    const page = pageOf(all, 10, token);
    seen.push(...page.items);
    token = page.next;
  } while (token !== "");
  expect(seen).toEqual(all);
  expect(pageOf([], 0, "")).toEqual({ items: [], next: "" });
  expect(thrown(() => pageOf(all, 10_001, "")).message).toBe(
    "page_size is 10001; ask for at most 10000 at a time.",
  );
  expect(thrown(() => pageOf(all, 10, "x")).message).toContain(
    'page_token "x" is none that this service gave',
  );
  expect(thrown(() => pageOf(all, 10, "25")).reason).toBe("PAGE_INVALID");
});
