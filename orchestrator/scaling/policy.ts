import { DEFAULT_SCALING, type Scaling } from "../../registry/scaling.ts";
import type { VersionManifest } from "../../registry/state.ts";

/** All that decides how many instances a load needs. */
export interface Policy extends Scaling {
  /** Calls and streams in progress that one instance should have. */
  readonly targetConcurrency: number;
  readonly minInstances: number;
  readonly maxInstances: number;
}

/** The policy of a version, tuned or as its contract has it. */
export function policyOf(manifest: VersionManifest): Policy {
  const { targetConcurrency, minInstances, maxInstances, scaling = DEFAULT_SCALING } = manifest;
  return { ...scaling, targetConcurrency, minInstances, maxInstances };
}
