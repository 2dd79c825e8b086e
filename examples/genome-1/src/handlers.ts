import { type Genome, pageOf, resolveRegion } from "@rouse-examples/genome-files";
import type { GenomeServiceHandlers } from "../gen/genome/v1/genome.server.ts";

/** So that an answer stays well below the 4 MiB that gRPC clients accept. */
const longestSequence = 1_000_000;

/** genome.v1.GenomeService 1.0.0: features have a place, a type and a name, and that is all. */
export const handlers: GenomeServiceHandlers<Genome> = {
  listReferences({ pageSize, pageToken }, { state: genome }) {
    const { items, next } = pageOf([...genome.fasta.references.values()], pageSize, pageToken);
    return { references: items.map(({ name, length }) => ({ name, length })), nextPageToken: next };
  },

  async getSequence(request, { state: genome }) {
    const region = resolveRegion(request.region, genome.fasta.references, longestSequence);
    return { region, residues: await genome.fasta.sequence(region.reference, region.start, region.end) };
  },

  async *streamFeatures(request, { state: genome, signal }) {
    const region = resolveRegion(request.region, genome.fasta.references);
    for await (const { reference, type, start, end, name } of genome.gff3.overlapping(region)) {
      signal.throwIfAborted();
      yield { reference, type, start, end, name };
    }
  },
};
