import { InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { workersText } from "../../registry/workers.ts";
import type { Registrations } from "../registrations.ts";
import type { Hook } from "./hook.ts";

/** What instances are told apart by beside their name: where their host stands, and how fast it is. */
interface Place {
  readonly host: string;
  readonly zone: string;
  readonly speed: number;
}

/** Announces an instance in Consul while it serves. */
export function registrationHook(registrations: Registrations, { host, zone, speed }: Place): Hook {
  return {
    name: "registration",
    serving({ record, healthy }) {
      const { id, spec, generation, runtime, address, retiring, startedAtMs, placed = "" } = record;
      const { state, standbySinceMs, lastUsedMs } = record;
      const standby = state === InstanceState.STANDBY && { standby: { sinceMs: standbySinceMs, lastUsedMs } };
      registrations.set({
        id,
        service: spec.service,
        version: spec.version,
        generation,
        host,
        runtime,
        address,
        cpu: spec.cpu,
        memoryBytes: spec.memoryBytes,
        gpu: spec.gpu,
        labels: spec.labels,
        healthy,
        draining: !healthy || retiring,
        retiring,
        zone,
        speed,
        startedAtMs: Math.round(startedAtMs),
        ...standby,
        placed,
        workers: workersText(spec.env.ROUSE_WORKERS, spec.pinCores),
      });
    },
    draining: ({ record }) => registrations.remove(record.id),
    ended: ({ record }) => void registrations.remove(record.id),
  };
}
