import type { Logger } from "pino";
import { InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import type { Hook } from "./hook.ts";

/** Tells the agent's own log what becomes of its instances. */
export function logHook(log: Logger): Hook {
  return {
    name: "log",
    changed({ record }) {
      const { id, spec, state, address, generation, reason } = record;
      const facts = {
        instance: id,
        service: spec.service,
        version: spec.version,
        generation,
        address,
        reason,
      };
      if (state === InstanceState.FAILED) log.warn(facts, "instance failed");
      else log.info(facts, `instance is ${state.replace("INSTANCE_STATE_", "").toLowerCase()}`);
    },
  };
}
