import { barredError, barredVersions } from "../registry/approval.ts";
import { resolveSpec, unknownService } from "../registry/spec.ts";
import type { MeshState, VersionManifest, VersionState } from "../registry/state.ts";
import { RouseError } from "../sdk/errors.ts";

/** A method of the catalog, its version settled. */
export interface Settled {
  /** Exact. */
  readonly version: string;
  readonly state: VersionState;
  readonly method: VersionManifest["methods"][number];
}

/** What somebody asks for. */
export interface Wanted {
  readonly service: string;
  /** Exact version, line, range or tag; empty: the release. */
  readonly version: string;
  readonly method: string;
}

/**
 * Finds a method in the catalog, and settles its version.
 *
 * @param outside The call came in through the edge: only external services are seen.
 * @throws RouseError NOT_FOUND SERVICE_UNKNOWN, VERSION_UNKNOWN, METHOD_UNKNOWN; what {@link barredError} makes.
 */
export function settleMethod(state: MeshState, wanted: Wanted, outside: boolean): Settled {
  const { service, method: name } = wanted;
  const external = (known: string) =>
    [...(state.services.get(known)?.versions.values() ?? [])].some(
      ({ manifest }) => manifest.exposure === "external",
    );
  const visible = [...state.services.keys()].filter((known) => !outside || external(known));
  const found = visible.includes(service) ? state.services.get(service) : undefined;
  if (found === undefined) throw unknownService(service, visible);
  const version = resolveSpec(
    {
      service,
      versions: [...found.versions.keys()],
      tags: Object.fromEntries([...found.tags].map(([tag, shares]) => [tag, [...shares]])),
      barred: barredVersions(found),
    },
    wanted.version,
  );
  const shown = found.versions.get(version);
  if (shown === undefined) throw unknownService(service, visible);
  if (shown.barred === true) throw barredError(service, version, shown.approval);
  const method = shown.manifest.methods.find((known) => known.name === name);
  if (method === undefined) {
    const there = shown.manifest.methods.map((known) => known.name).join(", ");
    throw new RouseError("NOT_FOUND", `${service} ${version} has no method "${name}". It has ${there}.`, {
      reason: "METHOD_UNKNOWN",
    });
  }
  return { version, state: shown, method };
}
