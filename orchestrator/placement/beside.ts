import type { VersionState } from "../../registry/state.ts";
import { versionKey } from "../../registry/target.ts";
import { type Occupancy, occupancy } from "./filter.ts";
import type { PlaceableHost } from "./host.ts";
import { copied, withoutService } from "./mend.ts";
import type { Needs } from "./needs.ts";

/**
 * The hosts as if some instances of a version were gone. They take their room, but what is to take their place need not keep apart from
 * them where it could go nowhere else: one that hangs on the only host would never be replaced.
 *
 * @param out Their ids.
 * @returns undefined when the version has none of them.
 */
export function besideThose(
  { manifest, instances }: VersionState,
  out: ReadonlySet<string>,
  hosts: readonly PlaceableHost[],
): PlaceableHost[] | undefined {
  const counts = new Map<string, number>();
  for (const { id, host, draining } of instances)
    if (out.has(id) && !draining) counts.set(host, (counts.get(host) ?? 0) + 1);
  if (counts.size === 0) return undefined;
  const key = versionKey(manifest);
  return hosts.map((host) => {
    const count = counts.get(host.name);
    if (count === undefined) return host;
    const versions = lessBy(host.versions, key, count);
    const services = lessBy(host.services, manifest.service, count);
    const rest = services.has(manifest.service) ? {} : withoutService(host, manifest.service);
    return { ...copied(host), versions, services, ...rest };
  });
}

/** What a filter must know of {@link besideThose}: what is out costs on until its end. @param hosts As they are. */
export function occupancyBeside(
  needs: Needs,
  beside: readonly PlaceableHost[],
  hosts: readonly PlaceableHost[],
): Occupancy {
  return { ...occupancy(needs, beside), costPerHour: occupancy(needs, hosts).costPerHour };
}

function lessBy(counts: ReadonlyMap<string, number> | undefined, key: string, by: number) {
  const left = new Map(counts);
  const now = (left.get(key) ?? 0) - by;
  if (now > 0) left.set(key, now);
  else left.delete(key);
  return left;
}
