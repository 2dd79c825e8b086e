import type { GenomeFeature } from "@rouse-examples/genome-files";
import { type Feature, Strand } from "../gen/genome/v1/genome.ts";

const strands = {
  "+": Strand.STRAND_FORWARD,
  "-": Strand.STRAND_REVERSE,
  ".": Strand.STRAND_UNSPECIFIED,
  "?": Strand.STRAND_UNSPECIFIED,
};

/** A line of GFF3 as the contract has it. */
export function toFeature(line: GenomeFeature): Feature {
  const { ID, Name: _, Parent, ...others } = line.attributes;
  const attributes: Record<string, string> = {};
  for (const [name, values] of Object.entries(others)) attributes[name] = values.join(",");
  return {
    reference: line.reference,
    type: line.type,
    start: line.start,
    end: line.end,
    name: line.name,
    strand: strands[line.strand],
    phase: line.phase,
    score: line.score,
    id: ID?.[0] ?? "",
    parents: [...(Parent ?? [])],
    source: line.source,
    attributes,
  };
}
