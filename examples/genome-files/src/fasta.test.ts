import { utimes } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { RouseError } from "rouse/errors";
import { expect, test } from "vitest";
import { openFasta } from "./fasta.ts";
import { tempFiles } from "./temp-files.ts";

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail("it should have failed"),
    (error: unknown) => RouseError.from(error),
  );

test.each([
  ["", "FASTA_INVALID", ": the file has no sequence; a FASTA file begins with a > line."],
  [
    "hello world\n",
    "FASTA_INVALID",
    ':1: this is no FASTA file: it must begin with a header such as ">chr1".',
  ],
  ["ACGT\n", "FASTA_INVALID", ":1: bases come before the first header; begin the file with a line such as"],
  [">\nACGT\n", "FASTA_INVALID", ":1: a sequence has no name; write it right after the >."],
  [">a\nAC\n>b\n>c\nA\n", "FASTA_INVALID", ':3: the sequence "b" is empty; add its bases or remove it.'],
  [">a\nAC\n>a\nA\n", "FASTA_INVALID", ':3: a second sequence is called "a"; names must differ.'],
  [
    ">a\nACGT\nAC\nACGT\n",
    "FASTA_INVALID",
    ':4: the lines of "a" differ in length, so that regions cannot be found',
  ],
  [">a\nAC\nACGT\n", "FASTA_INVALID", ':3: the lines of "a" differ in length'],
  [">a\nAC\n\nAC\n", "FASTA_INVALID", ':4: the lines of "a" differ in length'],
  [">a\nAC\r\nAC\nAC\n", "FASTA_INVALID", ':4: the lines of "a" differ in length'],
  [">p\nMEVNKKQLADIF\n", "FASTA_INVALID", ':2: "E" is no nucleotide; a sequence has IUPAC letters'],
  [`>${"x".repeat(70_000)}\nA\n`, "FASTA_INVALID", ":1: the header is longer than 65536 bytes."],
])("a FASTA file %j is refused with its line", async (text, reason, message) => {
  await using files = await tempFiles();
  const path = await files.write("bad.fa", text);
  const error = await failure(openFasta(path));
  expect(error.reason).toBe(reason);
  expect(error.status).toBe("INVALID_ARGUMENT");
  expect(error.message).toContain(path + message);
});

test("a file that is missing, a folder or compressed is told so", async () => {
  await using files = await tempFiles();
  const missing = await failure(openFasta(files.path("none.fa")));
  expect(missing.reason).toBe("FILE_UNREADABLE");
  expect(missing.message).toContain(
    "none.fa: there is no such file. Name it in GENOME_FASTA; in a container, mount it",
  );
  expect((await failure(openFasta(files.path(".")))).message).toContain("it is not a file");
  const zipped = await failure(openFasta(await files.write("a.fa.gz", gzipSync(">a\nACGT\n"))));
  expect(zipped.reason).toBe("FILE_COMPRESSED");
  expect(zipped.message).toMatch(/a\.fa\.gz is compressed; unpack it \("gunzip -k .*"\)/);
});

test("any region of any wrapping is read as it was written", async () => {
  await using files = await tempFiles();
  const sequence = fc.string({
    unit: fc.constantFrom("A", "C", "G", "T", "n"),
    minLength: 1,
    maxLength: 200,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(sequence, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 60 }),
      fc.constantFrom("\n", "\r\n"),
      fc.boolean(),
      fc.nat(),
      fc.nat(),
      async (sequences, width, newline, lastNewline, a, b) => {
        const text = sequences
          .map((bases, i) =>
            [`>s${i} number ${i}`, ...(bases.match(new RegExp(`.{1,${width}}`, "g")) ?? [])].join(newline),
          )
          .join(newline);
        const fasta = await openFasta(await files.write("any.fa", text + (lastNewline ? newline : "")));
        try {
          expect([...fasta.references.values()].map(({ name, length }) => [name, length])).toEqual(
            sequences.map((bases, i) => [`s${i}`, bases.length]),
          );
          for (const [i, bases] of sequences.entries()) {
            const [start = 1, end = 1] = [1 + (a % bases.length), 1 + (b % bases.length)].sort(
              (x, y) => x - y,
            );
            expect(await fasta.sequence(`s${i}`, start, end)).toBe(bases.slice(start - 1, end));
          }
        } finally {
          await fasta.close();
        }
      },
    ),
    { numRuns: 100 },
  );
});

test("a sequence on one line longer than a chunk is read by region", async () => {
  await using files = await tempFiles();
  const bases = "ACGTTGCAAC".repeat(100_000);
  const fasta = await openFasta(await files.write("long.fa", `>one a long line\n${bases}\n>two\nAC`));
  expect(fasta.references.get("one")).toMatchObject({ length: 1_000_000, description: "a long line" });
  expect(await fasta.sequence("one", 999_990, 1_000_000)).toBe(bases.slice(999_989));
  expect(await fasta.sequence("two", 1, 2)).toBe("AC");
  await fasta.close();
});

test("a .fai is used while it fits, ignored when it is older, refused when it lies", async () => {
  await using files = await tempFiles();
  const path = await files.write("a.fa", ">a first one\nACGT\nAC\n>b\nTTTT\n");
  await files.write("a.fa.fai", "a\t6\t13\t4\t5\nb\t4\t24\t4\t5\n");
  const fasta = await openFasta(path);
  expect(fasta.references.get("a")?.description).toBe("first one");
  expect(await fasta.sequence("a", 3, 6)).toBe("GTAC");
  expect(await fasta.sequence("b", 1, 4)).toBe("TTTT");
  await fasta.close();

  await files.write("a.fa.fai", "a\t6\t12\t4\t5\n");
  const wrong = await failure(openFasta(path));
  expect(wrong.reason).toBe("FAI_INVALID");
  expect(wrong.message).toMatch(
    /a\.fa\.fai:1: the index says that "a" begins at byte 12, and the file disagrees/,
  );
  await files.write("a.fa.fai", "a\t6\n");
  expect((await failure(openFasta(path))).message).toContain(
    "fai:1: this is no line of a .fai file. Remove the index",
  );
  await files.write("a.fa.fai", "a\t6\t13\t4\t5\na\t6\t13\t4\t5\n");
  expect((await failure(openFasta(path))).message).toContain('fai:2: "a" is there twice');

  await utimes(files.path("a.fa.fai"), new Date(0), new Date(0));
  const scanned = await openFasta(path);
  expect([...scanned.references.keys()]).toEqual(["a", "b"]);
  await scanned.close();
});
