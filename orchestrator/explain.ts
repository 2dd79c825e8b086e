import type {
  ExplainPlacementRequest,
  ExplainPlacementResponse,
  HostVerdict,
  PlacedInstance,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { barredVersions } from "../registry/approval.ts";
import { placementText } from "../registry/placement-rules.ts";
import { resolveSpec, unknownService } from "../registry/spec.ts";
import type { ServiceState, VersionState } from "../registry/state.ts";
import { RouseError } from "../sdk/errors.ts";
import type { Orchestrator } from "./orchestrator.ts";
import type { Verdict } from "./placement/place.ts";
import type { Start } from "./starts.ts";

/**
 * Why a version's instances are where they are, and where the next would go.
 *
 * @throws RouseError NOT_FOUND SERVICE_UNKNOWN, VERSION_UNKNOWN; FAILED_PRECONDITION NOT_LEADING where another one leads.
 */
export function explainPlacement(
  orchestrator: Orchestrator,
  { service, version: spec }: ExplainPlacementRequest,
): ExplainPlacementResponse {
  if (orchestrator.mesh.leader?.() !== undefined) orchestrator.requireLeading();
  const known = orchestrator.mesh.current().services.get(service);
  if (known === undefined) throw unknownService(service, orchestrator.mesh.current().services.keys());
  const state = versionOf(service, known, spec);
  const { version, minInstances, maxInstances, placement } = state.manifest;
  const starts = [...orchestrator.starts.all()].filter(
    ({ target }) => target.service === service && target.version === version,
  );
  return {
    service,
    version,
    leading: orchestrator.token !== undefined,
    minInstances,
    maxInstances,
    rules: placement === undefined ? "" : placementText(placement),
    instances: placedInstances(state, starts),
    ...explained(orchestrator.placer.judge(state), () => orchestrator.placer.changes(state)),
  };
}

function versionOf(name: string, service: ServiceState, spec: string): VersionState {
  const versions = [...service.versions.keys()];
  const tags = Object.fromEntries([...service.tags].map(([tag, weighted]) => [tag, [...weighted]]));
  const version = resolveSpec({ service: name, versions, tags, barred: barredVersions(service) }, spec);
  const state = service.versions.get(version);
  if (state === undefined) throw new RouseError("INTERNAL", `${name} ${version} is known and yet not there.`);
  return state;
}

/** Those that Consul shows, and those that it does not show yet. */
function placedInstances(state: VersionState, starts: readonly Start[]): PlacedInstance[] {
  const shown = new Set(state.instances.map(({ id }) => id));
  return [
    ...state.instances.map(({ id, host, generation, placed = "" }) => ({
      id,
      host,
      generation,
      starting: false,
      why: placed,
    })),
    ...starts
      .filter(({ instanceId }) => !shown.has(instanceId))
      .map(({ instanceId, host, target, why, servingSinceMs }) => ({
        id: instanceId,
        host,
        generation: target.generation,
        starting: servingSinceMs === undefined,
        why,
      })),
  ];
}

/** The verdicts as the API has them, and what they come to. */
export function explained(
  verdicts: readonly Verdict[],
  whatWouldHelp: () => string[],
): Pick<ExplainPlacementResponse, "hosts" | "nextHost" | "changes"> {
  const [best] = verdicts;
  const isPlaced = best?.fits === true;
  return {
    hosts: verdicts.map(verdictOf),
    nextHost: isPlaced ? best.host.name : "",
    changes: isPlaced ? [] : whatWouldHelp(),
  };
}

function verdictOf(verdict: Verdict): HostVerdict {
  const host = verdict.host.name;
  if (!verdict.fits)
    return { host, fits: false, score: 0, terms: [], misfits: verdict.misfits.map(({ why }) => why) };
  return { host, fits: true, score: verdict.score, terms: [...verdict.terms], misfits: [] };
}
