import type {
  ExplainPlacementRequest,
  ExplainPlacementResponse,
  HostVerdict,
  PlacedInstance,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { barredVersions } from "../registry/approval.ts";
import { Ends } from "../registry/ends.ts";
import { placementText } from "../registry/placement-rules.ts";
import { resolveSpec, unknownService } from "../registry/spec.ts";
import type { InstanceState, ServiceState, VersionManifest, VersionState } from "../registry/state.ts";
import { versionKey } from "../registry/target.ts";
import { RouseError } from "../sdk/errors.ts";
import { steadyMs } from "../sdk/steady.ts";
import { replaced } from "./adviser.ts";
import { clamped } from "./clamped.ts";
import type { Doubts, HealthKeeper } from "./health/keeper.ts";
import { toApi } from "./health/service.ts";
import { obstacles } from "./obstacles.ts";
import type { Orchestrator } from "./orchestrator.ts";
import type { Verdict } from "./placement/place.ts";
import type { Start } from "./starts.ts";

/** What is known of instances beside what Consul shows. */
type DoubtsOf = (version: VersionManifest, instance: InstanceState) => Doubts;

/**
 * Why a version's instances are where they are, what speaks against them, and where the next would go or what keeps it from being started.
 *
 * @throws RouseError NOT_FOUND SERVICE_UNKNOWN, VERSION_UNKNOWN; FAILED_PRECONDITION NOT_LEADING where another one leads.
 */
export function explainPlacement(
  orchestrator: Orchestrator,
  health: HealthKeeper,
  { service, version: spec }: ExplainPlacementRequest,
): ExplainPlacementResponse {
  if (orchestrator.mesh.leader?.() !== undefined) orchestrator.requireLeading();
  const known = orchestrator.mesh.current().services.get(service);
  if (known === undefined) throw unknownService(service, orchestrator.mesh.current().services.keys());
  const shown = versionOf(service, known, spec);
  const { version, minInstances, maxInstances, placement } = shown.manifest;
  const starts = [...orchestrator.starts.all()].filter(
    ({ target }) => target.service === service && target.version === version,
  );
  const nowMs = steadyMs();
  const leads = orchestrator.token !== undefined;
  // As the leader's next plan has it: with ends by its own clock, and what is being replaced in nobody's way.
  const view = leads ? orchestrator.view(service, version, shown, nowMs) : undefined;
  const state = view?.state ?? clamped(service, version, shown, new Ends(), nowMs);
  const out = view === undefined ? new Set<string>() : replaced(view.advice);
  const doubts: DoubtsOf = (of, instance) =>
    leads
      ? health.doubts(of, instance, nowMs)
      : { record: state.health?.instances[instance.id], ejections: [] };
  const startAgainMs = orchestrator.setbacks.untilMs({ service, version });
  const key = versionKey({ service, version });
  const fault = leads
    ? (health.faults.get(key) ?? orchestrator.outcomes.blame(nowMs).versions.get(key))
    : state.health?.fault;
  return {
    service,
    version,
    leading: leads,
    minInstances,
    maxInstances,
    rules: placement === undefined ? "" : placementText(placement),
    instances: placedInstances(state, starts, doubts),
    obstacles: obstacles(state, { count: countStaying(state, starts, doubts), startAgainMs }, nowMs),
    fault: fault ?? "",
    ...explained(orchestrator.placer.judge(state, nowMs, out), () =>
      orchestrator.placer.changes(state, nowMs),
    ),
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
function placedInstances(
  { manifest, instances }: VersionState,
  starts: readonly Start[],
  doubts: DoubtsOf,
): PlacedInstance[] {
  const shown = new Set(instances.map(({ id }) => id));
  return [
    ...instances.map((instance) => {
      const { id, host, generation, draining, standby, placed = "" } = instance;
      const { record, ejections } = doubts(manifest, instance);
      const isWell = record === undefined || (record.condition === "healthy" && record.strikes === 0);
      return {
        ...{ id, host, generation, starting: false, draining, standby: standby !== undefined, why: placed },
        condition: isWell ? undefined : toApi(record),
        ejections: ejections.map(({ sinceMs, untilMs, ...rest }) => ({
          ...rest,
          sinceMs: Math.round(sinceMs),
          untilMs: Math.round(untilMs),
        })),
      };
    }),
    ...starts
      .filter(({ instanceId }) => !shown.has(instanceId))
      .map(({ instanceId, host, target, why, servingSinceMs }) => ({
        id: instanceId,
        host,
        generation: target.generation,
        starting: servingSinceMs === undefined,
        draining: false,
        standby: false,
        why,
        condition: undefined,
        ejections: [],
      })),
  ];
}

/** Instances that count, as the plan has it: what is out is being replaced. */
function countStaying(
  { manifest, activation, instances }: VersionState,
  starts: readonly Start[],
  doubts: DoubtsOf,
): number {
  const shown = new Set(instances.map(({ id }) => id));
  const staying = instances.filter((instance) => {
    const { generation, draining, standby } = instance;
    const condition = doubts(manifest, instance).record?.condition ?? "healthy";
    const counts = condition === "healthy" || condition === "suspect";
    return counts && generation === activation.generation && !draining && standby === undefined;
  });
  const starting = starts.filter(
    ({ instanceId, target }) => !shown.has(instanceId) && target.generation === activation.generation,
  );
  return staying.length + starting.length;
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
