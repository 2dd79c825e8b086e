import type { Ends } from "../registry/ends.ts";
import type { VersionState } from "../registry/state.ts";
import { type Adviser, joinAdvice } from "./adviser.ts";
import { clamped } from "./clamped.ts";
import type { Demand } from "./demand.ts";
import type { Overlay } from "./overlay.ts";
import type { VersionView } from "./plan.ts";
import type { Setbacks } from "./setbacks.ts";
import type { Starts } from "./starts.ts";

/** Everything that plans are made from. */
export interface Sources {
  readonly demand: Demand;
  readonly overlay: Overlay;
  readonly ends: Ends;
  readonly starts: Starts;
  readonly stopping: ReadonlySet<string>;
  readonly setbacks: Setbacks;
  readonly advisers: readonly Adviser[];
  /** When this orchestrator began to lead, ms since 1970: what it has not seen counts as active until then. */
  readonly leadingSinceMs: number;
}

/** Collects what decides about one version. */
export function versionView(
  service: string,
  version: string,
  shown: VersionState,
  sources: Sources,
  nowMs: number,
): VersionView {
  const { demand, overlay, ends, starts, stopping, setbacks, advisers } = sources;
  const state = clamped(service, version, overlay.apply(service, version, shown, nowMs), ends, nowMs);
  const target = { service, version, generation: state.activation.generation };
  const ids = new Set(state.instances.map(({ id }) => id));
  const starting = starts.of(service, version, ids, nowMs);
  const load = demand.load(target);
  const advised = {
    service,
    version,
    state,
    load,
    starting: starting.filter((start) => start.target.generation === target.generation).length,
  };
  return {
    service,
    version,
    state,
    starting: starting.map((start) => ({
      instanceId: start.instanceId,
      generation: start.target.generation,
    })),
    stopping,
    wantedSinceMs: demand.wantedSince(target),
    sentAhead: demand.sentAhead(target),
    lastActiveMs: demand.lastActive(target) ?? sources.leadingSinceMs,
    load,
    drained: (generation) => demand.isDrained({ service, version, generation }),
    drainingSinceMs: (generation) => demand.drainingSince({ service, version, generation }, nowMs),
    retiringSinceMs: (instanceId) => demand.retiringSince(instanceId, nowMs),
    startAgainMs: setbacks.untilMs(target),
    advice: joinAdvice(advisers.map((adviser) => adviser.advise(advised, nowMs))),
  };
}
