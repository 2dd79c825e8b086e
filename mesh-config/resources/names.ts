/** One generation of one version. */
export interface Target {
  readonly service: string;
  readonly version: string;
  readonly generation: number;
}

/** Name of a generation's Envoy cluster: `<service>@<version>#<generation>`. */
export function clusterName(target: Target): string {
  return `${target.service}@${target.version}#${target.generation}`;
}

const shape = /^([^@#]+)@([^@#]+)#([1-9]\d*)$/;

/** What a cluster name means; undefined for a cluster that isn't a version's. */
export function parseClusterName(name: string): Target | undefined {
  const [, service, version, generation] = shape.exec(name) ?? [];
  if (service === undefined || version === undefined) return undefined;
  return { service, version, generation: Number(generation) };
}
