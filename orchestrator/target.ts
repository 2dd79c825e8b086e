/** One generation of one version: an Envoy cluster. */
export interface Target {
  readonly service: string;
  readonly version: string;
  readonly generation: number;
}

/** Name of a version for people and as a map key: "genome.v1.GenomeService@1.0.0". */
export function versionKey(of: { readonly service: string; readonly version: string }): string {
  return `${of.service}@${of.version}`;
}

/** Name of the Envoy cluster: "genome.v1.GenomeService@1.0.0#3". */
export function targetKey(target: Target): string {
  return `${versionKey(target)}#${target.generation}`;
}
