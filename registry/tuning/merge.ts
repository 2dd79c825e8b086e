import { DEFAULT_SCALING } from "../scaling.ts";
import type { VersionManifest } from "../state.ts";
import { workersOf } from "../workers.ts";
import { TUNING_FIELDS, type Tuning, type TuningField } from "./record.ts";

/** Where a value comes from, the weakest first. */
export type Origin = "default" | "contract" | "service" | "version";

/** What is set above a contract. */
export interface Tunings {
  /** For all versions of the service. */
  readonly service?: Tuning | undefined;
  /** For this version. */
  readonly version?: Tuning | undefined;
}

/** What holds of a version, field by field. */
export type Effective = { readonly [Field in TuningField]-?: number };

/** The values of a contract, with Rouse's defaults. */
export function contractValues(manifest: VersionManifest): Effective {
  const { targetConcurrency, minInstances, maxInstances, idleTimeoutMs, scaling } = manifest;
  const { count: workers, pinCores } = workersOf(manifest);
  return {
    targetConcurrency,
    minInstances,
    maxInstances,
    ...(scaling ?? DEFAULT_SCALING),
    idleTimeoutMs,
    workers,
    pinCores: pinCores === true ? 1 : 0,
  };
}

/** What holds, and where each value comes from. What is set for one version stands above what is set for all. */
export function effective(
  manifest: VersionManifest,
  { service = {}, version = {} }: Tunings,
): { readonly values: Effective; readonly origins: Readonly<Record<TuningField, Origin>> } {
  const values: Effective = { ...contractValues(manifest), ...service, ...version };
  const origin = (field: TuningField): Origin => {
    if (version[field] !== undefined) return "version";
    if (service[field] !== undefined) return "service";
    if (field === "workers" || field === "pinCores")
      return manifest.workers === undefined ? "default" : "contract";
    return field in DEFAULT_SCALING && manifest.scaling === undefined ? "default" : "contract";
  };
  const origins = Object.fromEntries(TUNING_FIELDS.map((field) => [field, origin(field)]));
  return { values, origins: origins as Record<TuningField, Origin> };
}

/** Why values do not fit together, as a clause; undefined when they do. */
export function contradiction(values: Effective): string | undefined {
  const { minInstances: min, maxInstances: max, lowWatermark: low, highWatermark: high } = values;
  if (min > max) return `min_instances ${min} would be more than max_instances ${max}`;
  if (low >= high) return `low_watermark ${low} would not be less than high_watermark ${high}`;
  const { panicWindowMs: panic, stableWindowMs: stable } = values;
  if (panic > stable) return `panic_window ${panic} ms would be longer than stable_window ${stable} ms`;
  return undefined;
}

/**
 * The manifest as the mesh runs it: all readers of the mesh's state get this one. A version that was registered after its service
 * was tuned may contradict what was set then: its maximum, its high watermark and its stable window hold.
 */
export function tuned(manifest: VersionManifest, tunings: Tunings): VersionManifest {
  const { values } = effective(manifest, tunings);
  const { targetConcurrency, maxInstances, idleTimeoutMs, highWatermark, stableWindowMs, scaleDownDelayMs } =
    values;
  return {
    ...manifest,
    targetConcurrency,
    minInstances: Math.min(values.minInstances, maxInstances),
    maxInstances,
    idleTimeoutMs,
    ...tunedWorkers(manifest, values),
    scaling: {
      highWatermark,
      lowWatermark: Math.min(values.lowWatermark, highWatermark - 0.05),
      stableWindowMs,
      panicWindowMs: Math.min(values.panicWindowMs, stableWindowMs),
      scaleDownDelayMs,
    },
  };
}

/** Absent where the contract says nothing of it, and nobody has tuned it. */
function tunedWorkers(manifest: VersionManifest, values: Effective): Pick<VersionManifest, "workers"> {
  const of = contractValues(manifest);
  if (values.workers === of.workers && values.pinCores === of.pinCores)
    return manifest.workers === undefined ? {} : { workers: manifest.workers };
  const { kind } = workersOf(manifest);
  return { workers: { kind, count: values.workers, ...(values.pinCores === 1 && { pinCores: true }) } };
}
