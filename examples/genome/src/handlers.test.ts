import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { type Genome, openGenome } from "@rouse-examples/genome-files";
import type { RouseError } from "rouse/errors";
import { type InProcessServer, startInProcess } from "rouse/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGenomeServiceClient, type GenomeServiceClient } from "../gen/genome/v1/genome.client.ts";
import { GenomeServiceDefinition } from "../gen/genome/v1/genome.definition.ts";
import { type LookUpRequest, type SequenceChunk, Strand } from "../gen/genome/v1/genome.ts";
import { handlers } from "./handlers.ts";

const file = (name: string) => fileURLToPath(new URL(`../data/${name}`, import.meta.url));
const region = (start = 0, end = 0, reference = "NC_001416.1") => ({ reference, start, end });
let server: InProcessServer;
let genome: GenomeServiceClient;

beforeAll(async () => {
  server = await startInProcess<typeof GenomeServiceDefinition, Genome>(GenomeServiceDefinition, handlers, {
    state: () => openGenome({ fasta: file("lambda.fa"), gff3: file("lambda.gff3") }),
    close: (state) => state.close(),
  });
  genome = createGenomeServiceClient({ target: server.target });
});
afterAll(async () => {
  genome.close();
  await server.close();
});

async function list<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
const failure = (promise: Promise<unknown>): Promise<RouseError> =>
  promise.then(
    () => expect.fail("it should have failed"),
    (error: RouseError) => error,
  );

test("lists the references", async () => {
  const answer = await genome.listReferences({ pageSize: 0, pageToken: "" });
  expect(answer).toEqual({
    references: [
      { name: "NC_001416.1", length: 48_502, description: "Enterobacteria phage lambda, complete genome" },
    ],
    nextPageToken: "",
  });
  const error = await failure(genome.listReferences({ pageSize: 1, pageToken: "9" }));
  expect([error.status, error.reason]).toEqual(["INVALID_ARGUMENT", "PAGE_INVALID"]);
});

test("gives the bases of a region, of either strand", async () => {
  const cos = await genome.getSequence({ region: region(1, 12), reverseComplement: false });
  expect(cos).toEqual({ region: region(1, 12), residues: "GGGCGGCGACCT", reverseComplement: false });
  const cI = await genome.getSequence({ region: region(37_227, 37_940), reverseComplement: true });
  expect(cI.residues).toMatch(/^ATGAGCACAAAAAAGAAACC.*TGA$/);
  const whole = await genome.getSequence({ region: region(), reverseComplement: false });
  expect(whole.region).toEqual(region(1, 48_502));
});

test.each([
  [region(1, 48_503), "OUT_OF_RANGE", "REGION_OUT_OF_BOUNDS", "NC_001416.1 goes from 1 to 48502"],
  [
    region(1, 2, "chr1"),
    "NOT_FOUND",
    "REFERENCE_UNKNOWN",
    'There is no reference "chr1"; there is "NC_001416.1".',
  ],
  [undefined, "INVALID_ARGUMENT", "REGION_INVALID", "The request names no reference"],
])("says what is wrong with the region %j", async (wrong, status, reason, message) => {
  const unary = await failure(genome.getSequence({ region: wrong, reverseComplement: false }));
  const stream = await failure(list(genome.streamFeatures({ region: wrong, types: [] })));
  for (const error of [unary, stream]) {
    expect([error.status, error.reason]).toEqual([status, reason]);
    expect(error.message).toContain(message);
  }
});

test("streams the features of a region by their start, of the types that are asked for", async () => {
  const control = region(37_900, 38_100);
  const all = await list(genome.streamFeatures({ region: control, types: [] }));
  expect(all.map((feature) => `${feature.type} ${feature.name}`)).toEqual([
    "region Enterobacteria phage lambda",
    "gene cI",
    "CDS cI",
    "operator oR3",
    "operator oR2",
    "operator oR1",
    "gene cro",
    "CDS cro",
  ]);
  const [cds] = await list(genome.streamFeatures({ region: control, types: ["CDS"] }));
  expect(cds).toEqual({
    reference: "NC_001416.1",
    type: "CDS",
    start: 37_227,
    end: 37_940,
    name: "cI",
    strand: Strand.STRAND_REVERSE,
    phase: 0,
    score: undefined,
    id: "cds-cI",
    parents: ["gene-cI"],
    source: "rouse",
    attributes: { product: "repressor CI, keeps the lysogenic state", transl_table: "11" },
  });
});

test("a caller that has seen enough ends a stream", async () => {
  for await (const feature of genome.streamFeatures({ region: region(), types: ["gene"] })) {
    expect(feature.name).toBe("nu1");
    break;
  }
});

async function* chunks(text: string, size: number, k = 0): AsyncGenerator<SequenceChunk> {
  for (let i = 0; i < text.length; i += size) yield { residues: text.slice(i, i + size), k };
}

test("summarizes a sequence that comes in pieces, whatever their size", async () => {
  const { residues } = await genome.getSequence({ region: region(), reverseComplement: false });
  const [one, other] = await Promise.all([
    genome.summarizeSequence(chunks(residues, 1_000, 3)),
    genome.summarizeSequence(chunks(residues.toLowerCase().replace(/.{60}/g, "$&\n"), 777, 3)),
  ]);
  expect(one).toEqual(other);
  expect(one).toMatchObject({
    length: 48_502n,
    counts: { A: 12_334n, C: 11_362n, G: 12_820n, T: 11_986n },
    md5: createHash("md5").update(residues).digest("hex"),
    k: 3,
    distinctKmers: 64,
  });
  expect(one.gc).toBeCloseTo(0.49858, 5);
  const counted = new Map<string, number>();
  for (let i = 0; i + 3 <= residues.length; i++)
    counted.set(residues.slice(i, i + 3), (counted.get(residues.slice(i, i + 3)) ?? 0) + 1);
  const top = [...counted].sort((a, b) => b[1] - a[1]).slice(0, 10);
  expect(one.topKmers.map(({ kmer, count }) => [kmer, Number(count)])).toEqual(top);
});

test("summarizes nothing, and letters that break k-mers", async () => {
  expect(await genome.summarizeSequence(chunks("", 1))).toMatchObject({
    length: 0n,
    gc: 0,
    k: 8,
    distinctKmers: 0,
  });
  const short = await genome.summarizeSequence(chunks("ACNAC", 1, 2));
  expect(short.topKmers).toEqual([{ kmer: "AC", count: 2n }]);
});

test("says which letter is no nucleotide, and which k is too long", async () => {
  const letter = await failure(genome.summarizeSequence(chunks(`ACGT${"A".repeat(8)}\n>x`, 5)));
  expect(letter.reason).toBe("SEQUENCE_INVALID");
  expect(letter.message).toBe(
    'Letter 13 is ">", which is no nucleotide; send IUPAC letters (A, C, G, T, N, …), without FASTA headers.',
  );
  const k = await failure(genome.summarizeSequence(chunks("ACGT", 4, 12)));
  expect([k.reason, k.message]).toEqual(["K_INVALID", "k is 12; k-mers of 1 to 11 letters can be counted."]);
});

test("answers each question before the next one is asked", async () => {
  const answered: string[] = [];
  let tell: () => void = () => {};
  let wait: Promise<void> = Promise.resolve();
  async function* questions(): AsyncGenerator<LookUpRequest> {
    const queries: LookUpRequest["query"][] = [
      { $case: "name", value: "cro" },
      { $case: "name", value: "gene-cI" },
      { $case: "name", value: "nobody" },
      { $case: "region", value: region(1, 12) },
      { $case: "region", value: region(1, 50_000) },
      { $case: "region", value: region() },
      undefined,
    ];
    for (const query of queries) {
      wait = new Promise((resolve) => {
        tell = resolve;
      });
      yield { query };
      await wait;
    }
  }
  for await (const { question, features, more, error } of genome.lookUp(questions())) {
    answered.push(
      `${question}: ${features.map((f) => f.name).slice(0, 3)}${more ? " and more" : ""}${error}`,
    );
    tell();
  }
  expect(answered).toEqual([
    "0: cro,cro",
    "1: cI",
    '2: No feature has the Name or ID "nobody"; case matters.',
    "3: Enterobacteria phage lambda,cos",
    "4: NC_001416.1:1-50000 is outside: NC_001416.1 goes from 1 to 48502.",
    "5: Enterobacteria phage lambda,cos,nu1 and more",
    "6: The question has neither a name nor a region; send one of them.",
  ]);
});
