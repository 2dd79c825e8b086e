import type { Share } from "#proto/rouse/meshconfig/v1/endpoints.ts";
import { RELEASE, resolveSpec } from "../../registry/spec.ts";
import type { ServiceState, VersionState } from "../../registry/state.ts";
import { clusterName } from "../../registry/target.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Endpoint } from "../resources/endpoints.ts";
import { type Extras, planClusters } from "../resources/plan.ts";
import { type Member, membersOf } from "../resources/routes.ts";

/** What the control plane knows of a version ahead of Consul. */
export type ExtrasOf = (service: string, state: VersionState) => Extras;

/** The versions that a spec names, with their weights, as Envoy's routes have it; none for a spec that names none. */
export function versionsOf(service: string, state: ServiceState, spec: string): readonly Member[] {
  const tag = state.versions.has(spec) ? undefined : state.tags.get(spec || RELEASE);
  if (tag !== undefined) return membersOf(tag, state.versions);
  const versions = [...state.versions.keys()];
  const barred = versions.filter((version) => state.versions.get(version)?.barred === true);
  try {
    const version = resolveSpec({ service, versions, tags: {}, barred }, spec);
    const found = state.versions.get(version);
    return found === undefined ? [] : [{ version: found, weight: 1 }];
  } catch (error) {
    if (RouseError.from(error).reason === "VERSION_UNKNOWN") return [];
    throw error;
  }
}

/** Where the calls of a spec may go directly. A version without endpoints has its share, too: that goes through Envoy. */
export function sharesOf(service: string, state: ServiceState, spec: string, extrasOf: ExtrasOf): Share[] {
  return versionsOf(service, state, spec).map(({ version, weight }) => {
    const { manifest, activation } = version;
    const { generation } = activation;
    const cluster = clusterName({ service, version: manifest.version, generation });
    // Routes answer for what is stopped or barred, in Envoy.
    if (version.barred === true || activation.stopped !== undefined)
      return { cluster, weight, endpoints: [] };
    const plan = planClusters(service, version, extrasOf(service, version)).find(
      (one) => one.generation === generation,
    );
    const list = plan?.kind === "warm" ? plan.endpoints : [];
    // Who is on probation gets a few calls, by Envoy.
    const taking = list.filter(({ draining, onProbation }) => !draining && onProbation !== true);
    return { cluster, weight, endpoints: taking.map((endpoint) => told(endpoint, false)) };
  });
}

/** All instances of an exact version, also those that take no calls: for its instances among each other. */
export function instancesOf(
  service: string,
  state: ServiceState,
  version: string,
  extrasOf: ExtrasOf,
): Share[] {
  const found = state.versions.get(version);
  if (found === undefined) return [];
  const { generation } = found.activation;
  // Who is frozen has no sessions, and would answer nobody.
  const awake = found.instances.filter(({ standby }) => standby === undefined);
  const shown = new Set(awake.map(({ id }) => id));
  const ahead = extrasOf(service, found).ready.filter(({ id }) => !shown.has(id));
  const endpoints = [
    ...awake.map((instance) => told(instance, instance.retiring === true)),
    ...ahead.map((endpoint) => told(endpoint, false)),
  ];
  return [{ cluster: clusterName({ service, version, generation }), weight: 1, endpoints }];
}

function told({ id, address, host = "", zone = "" }: Endpoint, retiring: boolean) {
  return { instanceId: id, address, host, zone, retiring };
}
