import type { Instance } from "#proto/rouse/agent/v1/agent.ts";
import type { InstanceRecord } from "./record.ts";

/** An instance as the API has it. */
export function describeInstance(record: InstanceRecord): Instance {
  const { id, spec, generation, state, runtime, address, runtimeId, startedAtMs, reason, retiring } = record;
  const { standbySinceMs, placed = "", endedAtMs } = record;
  return {
    id,
    service: spec.service,
    version: spec.version,
    generation,
    state,
    runtime,
    address,
    runtimeId,
    cpu: spec.cpu,
    memoryBytes: spec.memoryBytes,
    startedAtMs: Math.round(startedAtMs),
    reason,
    retiring,
    standbySinceMs,
    placed,
    endedAtMs: Math.round(endedAtMs),
  };
}
