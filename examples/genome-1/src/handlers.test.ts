import { fileURLToPath } from "node:url";
import { type Genome, openGenome } from "@rouse-examples/genome-files";
import { type InProcessServer, startInProcess } from "rouse/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGenomeServiceClient, type GenomeServiceClient } from "../gen/genome/v1/genome.client.ts";
import { GenomeServiceDefinition } from "../gen/genome/v1/genome.definition.ts";
import { handlers } from "./handlers.ts";

const file = (name: string) => fileURLToPath(new URL(`../data/${name}`, import.meta.url));
const region = (start: number, end: number) => ({ reference: "NC_001416.1", start, end });
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

test("lists the references by name and length", async () => {
  expect((await genome.listReferences({ pageSize: 0, pageToken: "" })).references).toEqual([
    { name: "NC_001416.1", length: 48_502 },
  ]);
});

test("gives the bases of a region", async () => {
  expect(await genome.getSequence({ region: region(1, 12) })).toEqual({
    region: region(1, 12),
    residues: "GGGCGGCGACCT",
  });
});

test("streams all features of a region, by place, type and name", async () => {
  const features = [];
  for await (const feature of genome.streamFeatures({ region: region(37_227, 37_900) }))
    features.push(feature);
  expect(features).toEqual([
    { reference: "NC_001416.1", type: "region", start: 1, end: 48_502, name: "Enterobacteria phage lambda" },
    { reference: "NC_001416.1", type: "gene", start: 37_227, end: 37_940, name: "cI" },
    { reference: "NC_001416.1", type: "CDS", start: 37_227, end: 37_940, name: "cI" },
  ]);
});
