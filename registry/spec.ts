import semver from "semver";
import { RouseError } from "../sdk/errors.ts";
import type { Tags } from "./records.ts";

/** The tag that calls without a version follow. */
export const RELEASE = "release";

/** What a spec is resolved against. */
export interface Versions {
  readonly service: string;
  readonly versions: readonly string[];
  readonly tags: Tags;
  /** Versions that may not run: ranges and tags pass over them where there are others. */
  readonly barred?: readonly string[];
}

/**
 * The one version that a spec names: exact ("1.4.0"), line ("1", "1.4"), caret or tilde range, or tag. Routes in Envoy follow
 * the same rules (mesh-config/resources/specs.ts).
 *
 * An empty spec is the tag "release", and where nobody has set it the highest version that is no prerelease. A tag that is
 * split between versions resolves to the heaviest of them, and of equals to the newest.
 *
 * @throws RouseError NOT_FOUND VERSION_UNKNOWN with the versions and tags there are.
 */
export function resolveSpec({ service, versions: all, tags, barred = [] }: Versions, spec: string): string {
  if (all.includes(spec)) return spec;
  const running = all.filter((version) => !barred.includes(version));
  const versions = running.length > 0 ? running : all;
  const known = new Set(versions);
  const tagged = Object.hasOwn(tags, spec || RELEASE) ? tags[spec || RELEASE] : undefined;
  if (tagged !== undefined) {
    const named = tagged.filter(({ version }) => known.has(version));
    const [heaviest] = (
      named.length > 0 ? named : tagged.filter(({ version }) => all.includes(version))
    ).sort((a, b) => b.weight - a.weight || semver.rcompare(a.version, b.version));
    if (heaviest !== undefined) return heaviest.version;
  }
  const isRange = /^(?:\d+(?:\.\d+)?|[~^]\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?)$/.test(spec);
  const range = spec === "" ? "*" : isRange ? spec : undefined;
  const found = range === undefined ? null : semver.maxSatisfying([...versions], range);
  if (found !== null) return found;
  throw unknownVersion({ service, versions, tags }, spec);
}

/** NOT_FOUND with the versions and tags there are. */
export function unknownVersion({ service, versions, tags }: Versions, spec: string): RouseError {
  const there = [...versions].sort(semver.rcompare).join(", ");
  const names = Object.keys(tags).sort().join(", ");
  const what =
    spec === "" ? `${service} has no release: only prereleases` : `${service} has no version ${spec}`;
  return new RouseError("NOT_FOUND", `${what}. Versions: ${there}; tags: ${names || "none"}.`, {
    reason: "VERSION_UNKNOWN",
    metadata: { service, spec, versions: there },
  });
}

/**
 * NOT_FOUND with the services there are.
 *
 * @param near Names that are like it, best first, where somebody knows; told when there are too many to list all.
 */
export function unknownService(
  service: string,
  services: Iterable<string>,
  near: readonly string[] = [],
): RouseError {
  const all = [...services].sort();
  const same = all.find((name) => name.toLowerCase() === service.toLowerCase());
  const some =
    all.length > 20 ? `${all.slice(0, 20).join(", ")} and ${all.length - 20} more` : all.join(", ");
  const there =
    same !== undefined
      ? `Did you mean ${same}?`
      : all.length > 20 && near.length > 0
        ? `The nearest names: ${near.slice(0, 5).join(", ")}.`
        : all.length > 0
          ? `Services: ${some}.`
          : 'None is registered yet; "rouse register" does it.';
  return new RouseError("NOT_FOUND", `No service ${service} is registered. ${there}`, {
    reason: "SERVICE_UNKNOWN",
    metadata: { service },
  });
}
