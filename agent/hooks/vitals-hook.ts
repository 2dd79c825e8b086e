import { InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import type { InstanceVitals } from "../health/vitals.ts";
import type { ManagedInstance } from "../instance.ts";
import type { Hook } from "./hook.ts";

/** Keeps what is known of how instances do. */
export function vitalsHook(vitals: InstanceVitals): Hook {
  const forget = ({ record }: ManagedInstance) => vitals.forget(record.id);
  return {
    name: "vitals",
    serving({ record, health }) {
      vitals.probed(record.id, health);
      // One in standby is frozen.
      if (record.state !== InstanceState.SERVING) vitals.expectSilence(record.id);
    },
    exited: forget,
    ended: forget,
  };
}
