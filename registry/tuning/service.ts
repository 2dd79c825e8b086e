import semver from "semver";
import {
  type TunedVersion,
  type TuningServer,
  type TuningSettings,
  TuningSource_Kind,
} from "#proto/rouse/registry/v1/tuning.ts";
import { answer } from "../../sdk/answer.ts";
import { mayChange } from "../access.ts";
import type { RegistryContext } from "../context.ts";
import { unknownService, unknownVersion } from "../spec.ts";
import type { ServiceState, VersionState } from "../state.ts";
import { effective, type Origin } from "./merge.ts";
import { contractName, TUNING_FIELDS, type TuningRecord } from "./record.ts";
import { setTuning } from "./set.ts";

/** The service rouse.registry.v1.Tuning. What it changes, the mesh's state shows when it has answered. */
export function tuningService(context: RegistryContext): TuningServer {
  const { consul, mesh, access } = context;
  const known = async (service: string): Promise<ServiceState> => {
    const { services } = await mesh.state();
    const state = services.get(service);
    if (state === undefined) throw unknownService(service, services.keys());
    return state;
  };
  const versionsOf = async (service: string, version: string): Promise<TunedVersion[]> => {
    const { versions, tags } = await known(service);
    if (version !== "" && !versions.has(version)) {
      const named = Object.fromEntries([...tags].map(([tag, weights]) => [tag, [...weights]]));
      throw unknownVersion({ service, versions: [...versions.keys()], tags: named }, version);
    }
    return [...versions]
      .filter(([name]) => version === "" || name === version)
      .sort(([a], [b]) => semver.rcompare(a, b))
      .map(([name, state]) => tunedVersion(name, state));
  };
  return {
    getTuning: answer(async ({ service, version }) => ({ versions: await versionsOf(service, version) })),
    setTuning: answer(async ({ service, version, settings, reset, resetAll }, metadata) => {
      const caller = await access.identify(metadata);
      await known(service);
      await mayChange(context, caller, service);
      const { changes, record } = await setTuning(consul, {
        service,
        version: version === "" ? undefined : version,
        set: definedOf(settings),
        reset: resetAll ? "all" : reset,
        by: caller.id,
      });
      await mesh.until(({ services }) => {
        const state = services.get(service);
        return state === undefined || shows(state, version, record);
      });
      return { versions: await versionsOf(service, version), changes: [...changes] };
    }),
  };
}

function definedOf(settings: TuningSettings | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings ?? {}).filter(([, value]) => value !== undefined));
}

function shows({ versions }: ServiceState, version: string, record: TuningRecord | undefined): boolean {
  const same = (shown: TuningRecord | undefined) => shown?.atMs === record?.atMs;
  if (version !== "") return same(versions.get(version)?.tuning?.version);
  return [...versions.values()].every(({ tuning }) => same(tuning?.service));
}

const KINDS: Readonly<Record<Origin, TuningSource_Kind>> = {
  default: TuningSource_Kind.DEFAULT,
  contract: TuningSource_Kind.CONTRACT,
  service: TuningSource_Kind.SERVICE,
  version: TuningSource_Kind.VERSION,
};

function tunedVersion(version: string, { manifest, tuning }: VersionState): TunedVersion {
  const tunings = { service: tuning?.service?.settings, version: tuning?.version?.settings };
  const { origins } = effective(tuning?.contract ?? manifest, tunings);
  // What holds is what the mesh runs: contradictions are settled there.
  const { values } = effective(manifest, {});
  return {
    version,
    settings: { ...values },
    sources: TUNING_FIELDS.map((field) => {
      const kind = origins[field];
      const record = kind === "version" || kind === "service" ? tuning?.[kind] : undefined;
      return { field: contractName(field), kind: KINDS[kind], by: record?.by ?? "", atMs: record?.atMs ?? 0 };
    }),
  };
}
