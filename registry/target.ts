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

/** Map key of a version's instance that is known by its address, as by an Envoy. */
export function addressKey(
  of: { readonly service: string; readonly version: string },
  address: string,
): string {
  return `${versionKey(of)} ${address}`;
}

/** Name of a generation's Envoy cluster: "genome.v1.GenomeService@1.0.0#3". */
export function clusterName(target: Target): string {
  return `${versionKey(target)}#${target.generation}`;
}

const shape = /^([^@#]+)@([^@#]+)#([1-9]\d*)$/;

/** What a cluster name means; undefined for a cluster that isn't a version's. */
export function parseClusterName(name: string): Target | undefined {
  const [, service, version, generation] = shape.exec(name) ?? [];
  if (service === undefined || version === undefined) return undefined;
  return { service, version, generation: Number(generation) };
}
