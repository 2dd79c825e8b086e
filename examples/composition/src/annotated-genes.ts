import type { GenomeServiceClient } from "@rouse-examples/genome/client";
import { Strand } from "@rouse-examples/genome/messages";
import type { Frame } from "./orfs.ts";

/**
 * The annotated genes and CDS of a region, by the end of their reading.
 *
 * Version 1 of the genome service does not say on which strand a feature is, and sends all types; both ends of a
 * feature are then taken for its stop.
 *
 * @returns the names of those that stop where a frame stops.
 */
export async function annotatedGenes(
  genome: GenomeServiceClient,
  region: { reference: string; start: number; end: number },
  signal: AbortSignal,
): Promise<(frame: Frame) => string[]> {
  const byStop = new Map<string, Set<string>>();
  const add = (position: number, reverse: boolean, name: string) => {
    const key = `${position}${reverse ? "-" : "+"}`;
    byStop.set(key, (byStop.get(key) ?? new Set()).add(name));
  };
  for await (const feature of genome.streamFeatures({ region, types: ["gene", "CDS"] }, { signal })) {
    if (feature.name === "" || (feature.type !== "gene" && feature.type !== "CDS")) continue;
    if (feature.strand !== Strand.STRAND_REVERSE) add(feature.end, false, feature.name);
    if (feature.strand !== Strand.STRAND_FORWARD) add(feature.start, true, feature.name);
  }
  return (frame) => [
    ...(byStop.get(`${frame.reverse ? frame.start : frame.end}${frame.reverse ? "-" : "+"}`) ?? []),
  ];
}
