import { setTimeout as sleep } from "node:timers/promises";
import type { Target } from "../registry/target.ts";
import { clusterName } from "../registry/target.ts";
import { change } from "./execute.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { nextGeneration } from "./plan.ts";

/** How often it is tried while Consul is away, ms. */
const RETRY_MS = 500;

/**
 * Moves a version on behind a generation that Envoys know and Consul does not any more. Does nothing where Consul has caught up, as
 * when a mesh-config was a moment behind another one; gives up when this orchestrator leads no more, for the next one is told anew.
 */
export async function goBeyond(orchestrator: Orchestrator, target: Target): Promise<void> {
  const { token, log } = orchestrator;
  while (orchestrator.token === token && token !== undefined) {
    try {
      const { generation } = await change(orchestrator, target, (now) =>
        now.generation >= target.generation
          ? now
          : { ...nextGeneration(now), generation: target.generation + 1 },
      );
      if (generation === target.generation + 1)
        log.warn(
          { version: clusterName(target), next: generation },
          "Envoys know more generations of the version than Consul; it goes on behind those",
        );
      orchestrator.evaluate(target.service, target.version);
      return;
    } catch (err) {
      log.error({ err, version: clusterName(target) }, "the version cannot go on yet; it is tried again");
      await sleep(RETRY_MS, undefined, { ref: false });
    }
  }
}
