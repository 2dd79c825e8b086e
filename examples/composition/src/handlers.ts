import { RouseError } from "rouse/errors";
import type { CompositionServiceHandlers } from "../gen/composition/v1/composition.server.ts";
import { annotatedGenes } from "./annotated-genes.ts";
import { basesOf } from "./bases.ts";
import type { GenomeClients } from "./genome-clients.ts";
import { findOrfs } from "./orfs.ts";
import { composition, windowsOf } from "./windows.ts";

const longestRegion = 1_000_000;
const mostOrfs = 10_000;

/** composition.v1.CompositionService. The clients of the genome service are the state that all calls share. */
export const handlers: CompositionServiceHandlers<GenomeClients> = {
  async *streamWindows(request, { state: clients, signal }) {
    const window = request.window || 500;
    const step = request.step || window;
    if (window < 10 || window > longestRegion)
      throw invalid("WINDOW_INVALID", `The window is ${window} bases; choose 10 to ${longestRegion}`);
    const bases = await basesOf(clients.of(request.genomeVersion), request.region, signal);
    for (const { start, end } of windowsOf({ start: bases.start, end: bases.end, window, step }))
      yield composition(start, await bases.slice(start, end));
  },

  async findOrfs(request, { state: clients, signal }) {
    const least = request.minLength || 100;
    if (least < 10)
      throw invalid("MIN_LENGTH_INVALID", `min_length is ${least}; choose at least 10 amino acids`);
    const genome = clients.of(request.genomeVersion);
    const { region, residues } = await genome.getSequence(
      { region: request.region, reverseComplement: false },
      { signal },
    );
    if (region === undefined)
      throw new RouseError("INTERNAL", "The genome service did not say what it sent.");
    const frames = findOrfs(residues.toUpperCase(), region.start, least);
    const genes = await annotatedGenes(genome, region, signal);
    const orfs = frames.slice(0, mostOrfs).map((frame) => ({ ...frame, annotated: genes(frame) }));
    return { orfs, more: frames.length > mostOrfs };
  },
};

function invalid(reason: string, what: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `${what}.`, { reason });
}
