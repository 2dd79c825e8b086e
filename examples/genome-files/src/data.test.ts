import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Genome, openGenome } from "./genome.ts";
import type { GenomeFeature } from "./gff3-line.ts";

const file = (name: string) => fileURLToPath(new URL(`../data/${name}`, import.meta.url));
const whole = { reference: "NC_001416.1", start: 1, end: 48_502 };
let genome: Genome;
let bases = "";

beforeAll(async () => {
  genome = await openGenome({ fasta: file("lambda.fa"), gff3: file("lambda.gff3") });
  bases = await genome.fasta.sequence(whole.reference, whole.start, whole.end);
});
afterAll(() => genome.close());

const reverse = (text: string) =>
  [...text]
    .map((base) => ({ A: "T", C: "G", G: "C", T: "A" })[base] ?? base)
    .reverse()
    .join("");
const read = (feature: GenomeFeature) => {
  const forward = bases.slice(feature.start - 1, feature.end);
  return feature.strand === "-" ? reverse(forward) : forward;
};

test("the sequence is RefSeq's NC_001416.1", () => {
  expect(bases).toHaveLength(48_502);
  expect(createHash("md5").update(bases).digest("hex")).toBe("509bdb356475a21077713babc47a4a35");
});

test("every coding sequence is an open reading frame of the sequence", async () => {
  const parts = new Map<string, GenomeFeature[]>();
  for await (const feature of genome.gff3.overlapping(whole, ["CDS"])) {
    const id = feature.attributes.ID?.[0] ?? "";
    parts.set(id, [...(parts.get(id) ?? []), feature]);
  }
  expect(parts.size).toBe(69);
  for (const [id, features] of parts) {
    const coding = features.map(read).join("");
    const codons = coding.match(/.{3}/g) ?? [];
    expect(coding.length % 3, id).toBe(0);
    expect(codons[0], id).toMatch(/^(ATG|GTG|TTG)$/);
    expect(codons.at(-1), id).toMatch(/^(TAA|TAG|TGA)$/);
    expect(
      codons.slice(0, -1).filter((codon) => /^(TAA|TAG|TGA)$/.test(codon)),
      id,
    ).toEqual([]);
    let before = 0;
    for (const feature of features) {
      expect(feature.phase, id).toBe((3 - (before % 3)) % 3);
      before += feature.end - feature.start + 1;
    }
    const genes: GenomeFeature[] = [];
    for await (const gene of genome.gff3.named(features[0]?.attributes.Parent?.[0] ?? "")) genes.push(gene);
    expect(genes, id).toHaveLength(1);
    expect([genes[0]?.start, genes[0]?.end], id).toEqual([features[0]?.start, features.at(-1)?.end]);
  }
});

test("the sites lie where their published sequences are", async () => {
  const published: Record<string, string> = {
    cos: "GGGCGGCGACCT",
    attP: "GCTTTTTTATACTAA",
    oL1: "TATCACCGCCAGTGGTA",
    oL2: "CAACACCGCCAGAGATA",
    oL3: "TATCACCGCAGATGGTT",
    oR1: "TACCTCTGGCGGTGATA",
    oR2: "TAACACCGTGCGTGTTG",
    oR3: "TATCACCGCAAGGGATA",
    "nutL boxB": "GCCCTGAAGAAGGGC",
    "nutR boxB": "GCCCTGAAAAAGGGC",
    "ori iteron 1": "ATCCCTCAAAACGAGGGA",
    "ori iteron 3": "ATCCCTCAAATTGGGGGA",
  };
  let sites = 0;
  for await (const feature of genome.gff3.overlapping(whole)) {
    if (["gene", "CDS", "region"].includes(feature.type)) continue;
    expect(read(feature), feature.name).toBe(published[feature.name]);
    sites++;
  }
  expect(sites).toBe(Object.keys(published).length);
});
