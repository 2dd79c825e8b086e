import { fileURLToPath } from "node:url";
import { GenomeServiceDefinition } from "@rouse-examples/genome/definition";
import { handlers as genomeHandlers } from "@rouse-examples/genome/handlers";
import { type Genome, openGenome } from "@rouse-examples/genome-files";
import type { RouseError } from "rouse/errors";
import { type InProcessServer, startInProcess } from "rouse/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type CompositionServiceClient,
  createCompositionServiceClient,
} from "../gen/composition/v1/composition.client.ts";
import { CompositionServiceDefinition } from "../gen/composition/v1/composition.definition.ts";
import { type GenomeClients, genomeClients } from "./genome-clients.ts";
import { handlers } from "./handlers.ts";

const file = (name: string) => fileURLToPath(new URL(`../../genome-files/data/${name}`, import.meta.url));
const region = (start = 0, end = 0, reference = "NC_001416.1") => ({ reference, start, end });
const usual = { window: 0, step: 0, genomeVersion: "" };
let genome: InProcessServer;
let server: InProcessServer;
let client: CompositionServiceClient;

beforeAll(async () => {
  genome = await startInProcess<typeof GenomeServiceDefinition, Genome>(
    GenomeServiceDefinition,
    genomeHandlers,
    {
      state: () => openGenome({ fasta: file("lambda.fa"), gff3: file("lambda.gff3") }),
      close: (state) => state.close(),
    },
  );
  server = await startInProcess<typeof CompositionServiceDefinition, GenomeClients>(
    CompositionServiceDefinition,
    handlers,
    { state: () => genomeClients(genome.target), close: (clients) => clients.close() },
  );
  client = createCompositionServiceClient({ target: server.target });
});
afterAll(async () => {
  client.close();
  await server.close();
  await genome.close();
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

test("windows cover the whole genome, whose left half is rich in GC", async () => {
  const windows = await list(client.streamWindows({ ...usual, region: region(), window: 5_000 }));
  expect(windows.map(({ start, end }) => [start, end]).slice(-2)).toEqual([
    [40_001, 45_000],
    [45_001, 48_502],
  ]);
  expect(windows[1]?.gc).toBeGreaterThan(0.55);
  expect(windows[4]?.gc).toBeLessThan(0.45);
});

test("finds the reading frames that are annotated, and more", async () => {
  const { orfs, more } = await client.findOrfs({
    region: region(35_000, 40_000),
    minLength: 60,
    genomeVersion: "2",
  });
  const named = orfs.filter((orf) => orf.annotated.length > 0);
  expect(named.map((orf) => `${orf.annotated} ${orf.reverse ? "-" : "+"}`)).toEqual([
    "N -",
    "rexB -",
    "rexA -",
    "cI -",
    "cro +",
    "cII +",
    "O +",
  ]);
  const cI = named[3];
  expect(cI).toMatchObject({ start: 37_227, end: 37_940 });
  expect(cI?.protein).toMatch(
    /^MSTKKKPLTQEQLEDARRLKAIYEKKKNELGLSQESVADKMGMGQSGVGALFNGINALNAYNAALLAKILKVSVEEFSPSIAREIYEMYEAV/,
  );
  expect(orfs.length).toBeGreaterThan(named.length);
  expect(more).toBe(false);
});

test("what the genome service says is wrong reaches the caller", async () => {
  const where = await failure(list(client.streamWindows({ ...usual, region: region(1, 99_999) })));
  expect([where.status, where.reason]).toEqual(["OUT_OF_RANGE", "REGION_OUT_OF_BOUNDS"]);
  expect(where.message).toContain("NC_001416.1 goes from 1 to 48502");
  const order = await failure(list(client.streamWindows({ ...usual, region: region(9, 8) })));
  expect(order.message).toContain("The start 9 is behind the end 8");
  const name = await failure(list(client.streamWindows({ ...usual, region: region(0, 0, "chr1") })));
  expect(name.reason).toBe("REFERENCE_UNKNOWN");
  const none = await failure(client.findOrfs({ region: undefined, minLength: 0, genomeVersion: "" }));
  expect(none.reason).toBe("REGION_INVALID");
});

test("says what is wrong with the request itself", async () => {
  const window = await failure(list(client.streamWindows({ ...usual, region: region(), window: 9 })));
  expect([window.reason, window.message]).toEqual([
    "WINDOW_INVALID",
    "The window is 9 bases; choose 10 to 1000000.",
  ]);
  const least = await failure(client.findOrfs({ region: region(), minLength: 3, genomeVersion: "" }));
  expect([least.reason, least.message]).toEqual([
    "MIN_LENGTH_INVALID",
    "min_length is 3; choose at least 10 amino acids.",
  ]);
  const version = await failure(
    client.findOrfs({ region: region(), minLength: 0, genomeVersion: "2 or so" }),
  );
  expect(version.reason).toBe("GENOME_VERSION_INVALID");
  expect(version.message).toContain('genome_version is "2 or so"; write a version, a range or a tag');
});
