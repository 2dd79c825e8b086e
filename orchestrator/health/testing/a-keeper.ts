import { pino } from "pino";
import { HealthKeeper, type HealthKeeperDeps } from "../keeper.ts";

/** A keeper of an orchestrator that leads, whose words go nowhere unless something else is said. */
export function aKeeper(more: Partial<HealthKeeperDeps> = {}): HealthKeeper {
  return new HealthKeeper({
    log: pino({ level: "silent" }),
    token: () => 1,
    write: async () => true,
    evaluate: () => undefined,
    isStopping: () => false,
    decided: () => undefined,
    quarantined: () => undefined,
    ended: () => undefined,
    ...more,
  });
}
