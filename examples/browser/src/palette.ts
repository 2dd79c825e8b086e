import { type Feature, Strand } from "@rouse-examples/genome/messages";

/** Colours that differ for the colour-blind as well (Paul Tol's "muted" scheme, https://sronpersonalpages.nl/~pault/). */
const roles: Record<string, string> = {
  // The scheme's indigo, lighter: it has to be seen on a dark page as well.
  head: "#5b4bc4",
  "DNA packaging": "#88ccee",
  tail: "#44aa99",
  recombination: "#2c8f4c",
  regulation: "#cc6677",
  replication: "#ddcc77",
  lysis: "#a53d72",
  lysogeny: "#aa4499",
  "host takeover": "#999933",
};

/** Version 1 tells neither role nor strand: grey. */
export function colorOf(feature: Feature): string {
  const role = feature.attributes.role;
  if (role !== undefined) return roles[role] ?? "#8d99a6";
  if (feature.strand === Strand.STRAND_UNSPECIFIED) return "#8d99a6";
  return feature.strand === Strand.STRAND_REVERSE ? "#cc6677" : "#44aa99";
}

export const bases: Record<string, string> = { A: "#2e9e5b", C: "#2f6fd0", G: "#c98a06", T: "#c4432b" };
