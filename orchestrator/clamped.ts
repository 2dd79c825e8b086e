import type { Ends } from "../registry/ends.ts";
import type { InstanceState, VersionState } from "../registry/state.ts";
import { versionKey } from "../registry/target.ts";
import { backOffMs } from "./setbacks.ts";

/**
 * A version as plans may take it: what a former leader or an agent wrote by a clock of their own ends within its span from when this
 * leader saw it first. A back-off lasts no longer than its failures ask for, and a standby began no later than it was seen, and not
 * before it was used last.
 */
export function clamped(
  service: string,
  version: string,
  state: VersionState,
  ends: Ends,
  nowMs: number,
): VersionState {
  const { activation } = state;
  const { failure, failures = 1 } = activation;
  const instances = state.instances.map((instance) => clampedStandby(instance, ends, nowMs));
  const key = versionKey({ service, version });
  if (failure === undefined) {
    ends.forget(key);
    return { ...state, instances };
  }
  const retryAtMs = ends.of(key, failure.retryAtMs, backOffMs(failures), nowMs);
  return { ...state, instances, activation: { ...activation, failure: { ...failure, retryAtMs } } };
}

function clampedStandby(instance: InstanceState, ends: Ends, nowMs: number): InstanceState {
  const { id, standby } = instance;
  if (standby === undefined) return instance;
  const { sinceMs, lastUsedMs } = standby;
  return {
    ...instance,
    standby: { lastUsedMs, sinceMs: ends.of(id, Math.max(sinceMs, lastUsedMs), 0, nowMs) },
  };
}
