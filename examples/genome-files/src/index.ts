export type { Reference } from "./fasta.ts";
export type { Genome, GenomeFiles } from "./genome.ts";
export { filesOf, openGenome } from "./genome.ts";
export type { GenomeFeature } from "./gff3-line.ts";
export { pageOf } from "./page.ts";
export type { Region } from "./region.ts";
export { resolveRegion } from "./region.ts";
