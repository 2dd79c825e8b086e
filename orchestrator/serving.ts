import type { Target } from "../registry/target.ts";
import { clusterName } from "../registry/target.ts";
import { steadyMs } from "../sdk/steady.ts";
import type { Orchestrator } from "./orchestrator.ts";

/** An instance that serves a target. */
export interface Serving {
  readonly id: string;
  readonly address: string;
  readonly host: string;
}

/** An instance that serves the target, whether Consul shows it already or not. */
export function servingInstance(orchestrator: Orchestrator, target: Target): Serving | undefined {
  const { mesh, overlay, starts, stopping } = orchestrator;
  for (const { instanceId: id, target: started, address, host } of starts.all()) {
    if (address !== undefined && clusterName(started) === clusterName(target)) return { id, address, host };
  }
  const shown = mesh.current().services.get(target.service)?.versions.get(target.version);
  if (shown === undefined) return undefined;
  const { instances } = overlay.apply(target.service, target.version, shown, steadyMs());
  return instances.find(
    ({ id, generation, draining, standby }) =>
      generation === target.generation && !draining && standby === undefined && !stopping.has(id),
  );
}
