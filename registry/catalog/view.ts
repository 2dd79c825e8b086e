import semver from "semver";
import type {
  GetServiceResponse,
  InstanceInfo,
  Needs,
  ServiceState as ServiceStateMessage,
  ServiceSummary,
  TagInfo,
  VersionInfo,
  VersionState as VersionStateMessage,
} from "#proto/rouse/catalog/v1/catalog.ts";
import { ADMINISTRATOR } from "../access.ts";
import { barredVersions } from "../approval.ts";
import type { AboutRecord } from "../descriptions/index.ts";
import { aboutOfManifest } from "../descriptions/record.ts";
import type { VersionHealth } from "../health-record.ts";
import { resolveSpec } from "../spec.ts";
import type { InstanceState, ServiceState, VersionState } from "../state.ts";
import { stateWord } from "./state-word.ts";

/** What is known of a service's versions beside what Consul's mesh state holds. */
export interface Beside {
  /** What is said of a version beside its manifest. */
  about(version: string): AboutRecord | undefined;
  /** Whether calls are held for a version. */
  isWaking(version: string): boolean;
}

/** The version that calls without a spec get; undefined when there is none. */
export function defaultVersion(name: string, service: ServiceState): string | undefined {
  const versions = [...service.versions.keys()];
  const tags = Object.fromEntries(service.tags) as never;
  try {
    return resolveSpec({ service: name, versions, tags, barred: barredVersions(service) }, "");
  } catch {
    return undefined;
  }
}

/** Versions, newest first. */
export function sortedVersions({ versions }: ServiceState): string[] {
  return [...versions.keys()].sort(semver.rcompare);
}

/** Versions that search may show, newest first: one that awaits an approval, or was denied it, is not listed. */
export function listedVersions(service: ServiceState): string[] {
  return sortedVersions(service).filter((version) => service.versions.get(version)?.approval === undefined);
}

/** The version that stands for its service: the default, or else the newest; of those that are listed. */
export function shownVersion(name: string, service: ServiceState): string | undefined {
  const byDefault = defaultVersion(name, service);
  const listed = listedVersions(service);
  return byDefault !== undefined && listed.includes(byDefault) ? byDefault : listed[0];
}

export function serviceSummary(name: string, service: ServiceState, beside: Beside): ServiceSummary {
  const shown = shownVersion(name, service) ?? sortedVersions(service)[0] ?? "";
  const version = service.versions.get(shown);
  const record = beside.about(shown);
  const by = record?.registeredBy ?? "";
  return {
    name,
    summary: record?.about.summary || version?.manifest.summary || "",
    owner: version?.manifest.owner ?? "",
    provider: by === ADMINISTRATOR ? "" : by,
    external: version?.manifest.exposure === "external",
    defaultVersion: defaultVersion(name, service) ?? "",
    tags: tagInfos(service),
    state: version === undefined ? "" : stateWord(version, beside.isWaking(shown)).state,
    deprecated: (record?.deprecated ?? "") !== "",
    versions: service.versions.size,
  };
}

export function serviceDetails(name: string, service: ServiceState, beside: Beside): GetServiceResponse {
  const versions = sortedVersions(service).flatMap((version) => {
    const state = service.versions.get(version);
    return state === undefined ? [] : [versionInfo(version, state, beside.about(version))];
  });
  return { summary: serviceSummary(name, service, beside), versions };
}

function versionInfo(
  version: string,
  { manifest, deployment, approval }: VersionState,
  record: AboutRecord | undefined,
): VersionInfo {
  const { artifact } = deployment;
  return {
    version,
    about: record?.about ?? aboutOfManifest(manifest),
    registeredAtMs: deployment.registeredAtMs,
    registeredBy: record?.registeredBy ?? ADMINISTRATOR,
    source: record?.source,
    deprecated: record?.deprecated ?? "",
    approval: approval ?? record?.approval ?? "",
    needs: needsOf(manifest),
    artifact: artifact.kind === "bundle" ? `sha256:${artifact.digest}` : artifact.name,
    revision: record?.revision ?? 1,
    external: manifest.exposure === "external",
  };
}

function instanceInfo(instance: InstanceState, health: VersionHealth | undefined): InstanceInfo {
  const { id, host, runtime, address, generation, healthy, draining, standby } = instance;
  const { condition = "", reason = "" } = health?.instances[id] ?? {};
  return {
    id,
    host,
    runtime,
    address,
    generation,
    healthy,
    draining,
    standby: standby !== undefined,
    condition,
    conditionReason: reason,
  };
}

function needsOf(manifest: VersionState["manifest"]): Needs {
  const { resources } = manifest;
  return {
    cpu: resources.cpu,
    memoryBytes: resources.memory,
    gpu: resources.gpu,
    labels: { ...resources.labels },
    minInstances: manifest.minInstances,
    maxInstances: manifest.maxInstances,
    targetConcurrency: manifest.targetConcurrency,
    startTimeoutMs: manifest.startTimeoutMs,
    idleTimeoutMs: manifest.idleTimeoutMs,
  };
}

/** Tags by name. */
export function tagInfos({ tags }: ServiceState): TagInfo[] {
  return [...tags]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, members]) => ({
      name,
      members: members.map(({ version, weight }) => ({ version, weight })),
    }));
}

/** The live state of a service, newest version first. */
export function liveService(
  name: string,
  service: ServiceState,
  beside: Pick<Beside, "isWaking">,
): ServiceStateMessage {
  const versions = sortedVersions(service).flatMap((version): VersionStateMessage[] => {
    const state = service.versions.get(version);
    if (state === undefined) return [];
    return [
      {
        version,
        ...stateWord(state, beside.isWaking(version)),
        generation: state.activation.generation,
        instances: state.instances.map((instance) => instanceInfo(instance, state.health)),
      },
    ];
  });
  return { name, versions, tags: tagInfos(service) };
}
