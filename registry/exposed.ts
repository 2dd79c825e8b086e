import { resolveSpec } from "./spec.ts";
import type { MeshState, ServiceState, VersionState } from "./state.ts";

/** A version that anybody outside of the mesh reaches when they name none. */
export interface Exposed {
  readonly service: string;
  readonly version: string;
  readonly state: VersionState;
}

/** The default versions of all services that are called from outside, in the order of their registration. */
export function exposedServices(mesh: MeshState): Exposed[] {
  const found = exposedUnsorted(mesh);
  const at = ({ state }: Exposed) => state.deployment.registeredAtMs;
  return found.sort((a, b) => at(a) - at(b) || (a.service < b.service ? -1 : 1));
}

/** The same in no order that means anything. */
export function exposedUnsorted(mesh: MeshState): Exposed[] {
  return [...mesh.services].flatMap(([name, state]) => {
    let found = defaults.get(state);
    if (found === undefined) {
      const exposed = exposedVersion(name, state);
      found = exposed === undefined ? [] : [exposed];
      defaults.set(state, found);
    }
    return found;
  });
}

/** A service's state stays the same object until it changes, and there may be ten thousand of them. */
const defaults = new WeakMap<ServiceState, readonly Exposed[]>();

/**
 * The version of a service that a spec means to callers from outside: an external one, which is listed.
 *
 * @param spec Empty: the default.
 * @returns undefined when there is none.
 */
export function exposedVersion(service: string, state: ServiceState, spec = ""): Exposed | undefined {
  const listed = [...state.versions].filter(
    ([, { manifest, approval }]) => manifest.exposure === "external" && approval === undefined,
  );
  const versions = new Map(listed);
  try {
    const tags = Object.fromEntries([...state.tags].map(([tag, weights]) => [tag, [...weights]]));
    const version = resolveSpec({ service, versions: [...versions.keys()], tags }, spec);
    const found = versions.get(version);
    return found && { service, version, state: found };
  } catch {
    return undefined;
  }
}
