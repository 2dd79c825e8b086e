import type { ControlPlane } from "../registry/control-planes.ts";
import { steadyMs } from "../sdk/steady.ts";
import { AWAY_MS } from "./demand.ts";
import type { Orchestrator } from "./orchestrator.ts";

/** The only control plane's mesh-config has connected to itself by then, ms. */
const ALONE_MS = 5_000;
/** A control plane that has not connected by then will not, ms; they try it each second at least. */
const LONGEST_MS = 30_000;
/** How often it is looked who has connected, ms. */
const LOOK_MS = 250;

/**
 * Whether control planes may still say what their Envoys do. Pure.
 *
 * @param ledForMs For how long there has been this leader: Envoys of the former one, if it is gone, go to another one.
 * @param isKnown Whether the control plane of an id has connected to the leader.
 */
export function mayComeYet(
  ledForMs: number,
  planes: readonly ControlPlane[],
  isKnown: (id: string) => boolean,
): boolean {
  if (ledForMs < (planes.length > 1 ? AWAY_MS : ALONE_MS)) return true;
  return ledForMs < LONGEST_MS && planes.some(({ id, healthy }) => healthy && !isKnown(id));
}

/** What mesh-configs that have not connected to a new leader would say is unknown, and must not pass for silence. */
export function awaitMeshConfigs(orchestrator: Orchestrator, token: number): void {
  const { demand, mesh } = orchestrator;
  const others = `not connected yet, token ${token}`;
  demand.connect(others, others);
  const beganMs = steadyMs();
  const timer = setInterval(() => {
    const planes = mesh.controlPlanes?.() ?? [];
    const isLed = orchestrator.token === token;
    if (isLed && mayComeYet(steadyMs() - beganMs, planes, (id) => demand.knows(id))) return;
    clearInterval(timer);
    demand.disconnect(others);
    orchestrator.evaluateAll();
  }, LOOK_MS).unref();
}
