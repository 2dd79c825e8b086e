import type { PlacementRules } from "../../registry/placement-rules.ts";
import type { VersionManifest, VersionState } from "../../registry/state.ts";
import { versionKey } from "../../registry/target.ts";

/** What an instance needs; cores and bytes. */
export type Resources = VersionManifest["resources"];

/** What is asked of placement: room for one more instance of a version. */
export interface Needs extends Resources {
  /** Full name; empty or absent: no rule that looks at instances applies. */
  readonly service?: string;
  readonly version?: string;
  /** Digest of the bundle, or name of the image, that it runs from; absent: what is where does not matter. */
  readonly artifact?: string;
  /** It runs from an image, so it needs an engine. */
  readonly image?: boolean;
  /** What the contract says; absent: as few instances per host as possible. */
  readonly rules?: PlacementRules;
  /** Share of its calls by the zone where they come from, 0 to 1. */
  readonly callers?: ReadonlyMap<string, number>;
  /** Hosts where a start of this version has just failed. */
  readonly failedOn?: ReadonlySet<string>;
}

/** What an instance of a version asks of placement. */
export function versionNeeds({ manifest, deployment }: VersionState): Needs {
  return {
    ...manifest.resources,
    service: manifest.service,
    version: manifest.version,
    artifact: artifactOf(deployment),
    image: deployment.artifact.kind === "image",
    ...(manifest.placement === undefined ? {} : { rules: manifest.placement }),
  };
}

/** As agents name what they have. */
export function artifactOf({ artifact }: VersionState["deployment"]): string {
  return artifact.kind === "bundle" ? artifact.digest : artifact.name;
}

/** The services that an instance with these rules must not have beside it. */
export function repelledBy(rules: PlacementRules | undefined): string[] {
  return (rules?.antiAffinity ?? []).flatMap(({ strict, service }) =>
    strict && service !== undefined ? [service] : [],
  );
}

export type SpreadRule = PlacementRules["spread"][number];

/** Unless the contract says otherwise, instances of a version are kept apart where that costs nothing else. */
const APART: readonly SpreadRule[] = [{ over: "host", strict: false, weight: 100 }];

export function spreadsOf(needs: Needs): readonly SpreadRule[] {
  const said = needs.rules?.spread ?? [];
  return said.length > 0 ? said : APART;
}

/** "service@version"; undefined when the request names none. */
export function versionOf({ service, version }: Needs): string | undefined {
  return service && version ? versionKey({ service, version }) : undefined;
}
