import { createCompositionServiceBrowserClient } from "@rouse-examples/composition/browser";
import type { Window } from "@rouse-examples/composition/messages";
import { createGenomeServiceBrowserClient } from "@rouse-examples/genome/browser";
import type { Feature, Reference } from "@rouse-examples/genome/messages";
import { type CallReport, follow } from "./calls.ts";

const genomeService = "genome.v1.GenomeService";
const compositionService = "composition.v1.CompositionService";

/** Services that the page calls. */
export const services: ReadonlySet<string> = new Set([genomeService, compositionService]);

/** What the tracks show, from the services of the mesh. */
export interface Sources {
  references(): Promise<Reference[]>;
  /** @param reverse reads the other strand, from its 5' end. */
  sequence(region: Region, reverse: boolean, signal: AbortSignal): Promise<string>;
  /** @param types empty: all. */
  features(
    region: Region,
    types: readonly string[],
    signal: AbortSignal,
    each: (feature: Feature) => void,
  ): Promise<void>;
  windows(region: Region, size: number, signal: AbortSignal, each: (window: Window) => void): Promise<void>;
}

interface Region {
  reference: string;
  start: number;
  end: number;
}

/** @param edge address of the mesh's edge. @param version of the genome service: "1" or "2". */
export function sourcesOf(edge: string, version: string, tell: (report: CallReport) => void): Sources {
  const genome = createGenomeServiceBrowserClient({ baseUrl: edge, version });
  const composition = createCompositionServiceBrowserClient({ baseUrl: edge });
  const about = (what: string) => ({ what, version, service: genomeService, spec: version });
  return {
    async references() {
      const references: Reference[] = [];
      const request = { pageSize: 0, pageToken: "" };
      await follow(genome.listReferences(request), about("ListReferences"), tell, (page) =>
        references.push(...page.references),
      );
      return references;
    },
    async sequence(region, reverseComplement, signal) {
      let residues = "";
      const call = genome.getSequence({ region, reverseComplement }, { signal });
      await follow(call, about("GetSequence"), tell, (answer) => {
        residues = answer.residues;
      });
      return residues;
    },
    features: (region, types, signal, each) =>
      follow(
        genome.streamFeatures({ region, types: [...types] }, { signal }),
        about("StreamFeatures"),
        tell,
        each,
      ),
    windows: (region, size, signal, each) =>
      follow(
        composition.streamWindows({ region, window: size, step: 0, genomeVersion: version }, { signal }),
        { what: "StreamWindows", version, service: compositionService, spec: "" },
        tell,
        each,
      ),
  };
}
