import type { Registrations } from "../registrations.ts";
import type { Hook } from "./hook.ts";

/** Announces an instance in Consul while it serves. */
export function registrationHook(registrations: Registrations, host: string): Hook {
  return {
    name: "registration",
    serving({ record, healthy }) {
      const { id, spec, generation, runtime, address, retiring } = record;
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
      });
    },
    draining: ({ record }) => registrations.remove(record.id),
    ended: ({ record }) => void registrations.remove(record.id),
  };
}
