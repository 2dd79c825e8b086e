import type { InstanceState, VersionState } from "../registry/state.ts";
import { workersEnvironment, workersText } from "../registry/workers.ts";
import type { Advice, AdvisedVersion, Adviser, Leaving } from "./adviser.ts";

/** Has instances replaced that share their work otherwise than is wanted by now: their workers or cores were tuned. */
export class WorkersAdviser implements Adviser {
  advise({ state }: AdvisedVersion): Advice {
    return workersAdvice(state);
  }
}

/**
 * Which instances shall go for the workers that they have: of those that take calls one at a time, so that there need be room for one
 * more only. Pure.
 */
export function workersAdvice({ manifest, deployment, activation, instances }: VersionState): Advice {
  const env = { ...deployment.env, ...workersEnvironment(manifest) };
  const wanted = workersText(env.ROUSE_WORKERS, manifest.workers?.pinCores);
  // Threads of an agent have no workers, and are on its cores. An older agent tells nothing.
  const outdated = instances.filter(
    ({ runtime, workers = wanted }) => runtime !== "in-process" && workers !== wanted,
  );
  if (outdated.length === 0) return {};
  const takesCalls = ({ generation, draining, standby }: InstanceState) =>
    generation === activation.generation && !draining && standby === undefined;
  const [first] = outdated.filter(takesCalls).sort((a, b) => (a.id < b.id ? -1 : 1));
  const leaving = new Map<string, Leaving>();
  for (const instance of outdated) {
    const { id, workers } = instance;
    if (instance === first || !takesCalls(instance))
      leaving.set(id, { reason: `tuned: workers ${workers} → ${wanted}` });
  }
  return { leaving };
}
