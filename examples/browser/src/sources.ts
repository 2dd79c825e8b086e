import { createCompositionServiceBrowserClient } from "@rouse-examples/composition/browser";
import type { Window } from "@rouse-examples/composition/messages";
import { createGenomeServiceBrowserClient } from "@rouse-examples/genome/browser";
import type { Feature, Reference } from "@rouse-examples/genome/messages";
import { type CallReport, follow } from "./calls.ts";

/** What the tracks show, from the services of the mesh. */
export interface Sources {
  references(): Promise<Reference[]>;
  sequence(region: Region, signal: AbortSignal): Promise<string>;
  features(region: Region, signal: AbortSignal, each: (feature: Feature) => void): Promise<void>;
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
  const about = (what: string) => ({ what, version });
  return {
    async references() {
      const references: Reference[] = [];
      const request = { pageSize: 0, pageToken: "" };
      await follow(genome.listReferences(request), about("ListReferences"), tell, (page) =>
        references.push(...page.references),
      );
      return references;
    },
    async sequence(region, signal) {
      let residues = "";
      const call = genome.getSequence({ region, reverseComplement: false }, { signal });
      await follow(call, about("GetSequence"), tell, (answer) => {
        residues = answer.residues;
      });
      return residues;
    },
    features: (region, signal, each) =>
      follow(
        genome.streamFeatures({ region, types: ["gene", "operator"] }, { signal }),
        about("StreamFeatures"),
        tell,
        each,
      ),
    windows: (region, size, signal, each) =>
      follow(
        composition.streamWindows({ region, window: size, step: 0, genomeVersion: version }, { signal }),
        about("StreamWindows"),
        tell,
        each,
      ),
  };
}
