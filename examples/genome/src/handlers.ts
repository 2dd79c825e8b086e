import { type Genome, pageOf, resolveRegion } from "@rouse-examples/genome-files";
import type { GenomeServiceHandlers } from "../gen/genome/v1/genome.server.ts";
import { toFeature } from "./feature.ts";
import { lookUp } from "./look-up.ts";
import { reverseComplement } from "./reverse-complement.ts";
import { summarize } from "./summary.ts";

/** So that an answer stays well below the 4 MiB that gRPC clients accept. */
const longestSequence = 1_000_000;

/** genome.v1.GenomeService 2.0.0. The genome is the state that all calls share. */
export const handlers: GenomeServiceHandlers<Genome> = {
  listReferences({ pageSize, pageToken }, { state: genome }) {
    const { items, next } = pageOf([...genome.fasta.references.values()], pageSize, pageToken);
    return {
      references: items.map(({ name, length, description }) => ({ name, length, description })),
      nextPageToken: next,
    };
  },

  async getSequence(request, { state: genome }) {
    const region = resolveRegion(request.region, genome.fasta.references, longestSequence);
    const forward = await genome.fasta.sequence(region.reference, region.start, region.end);
    const residues = request.reverseComplement ? reverseComplement(forward) : forward;
    return { region, residues, reverseComplement: request.reverseComplement };
  },

  async *streamFeatures(request, { state: genome, signal }) {
    const region = resolveRegion(request.region, genome.fasta.references);
    for await (const feature of genome.gff3.overlapping(region, request.types)) {
      signal.throwIfAborted();
      yield toFeature(feature);
    }
  },

  summarizeSequence: (chunks) => summarize(chunks),

  lookUp: (questions, { state: genome }) => lookUp(questions, genome),
};
