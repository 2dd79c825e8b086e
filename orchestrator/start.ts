import { isGone } from "../registry/hosts.ts";
import type { VersionState } from "../registry/state.ts";
import type { Target } from "../registry/target.ts";
import { clusterName, versionKey } from "../registry/target.ts";
import { RouseError } from "../sdk/errors.ts";
import { unary } from "../sdk/grpc.ts";
import { steadyMs } from "../sdk/steady.ts";
import { instanceSpec } from "./agents.ts";
import { patienceMs, tellAttempts, triesAgain } from "./attempts.ts";
import { fail, hostAddress, served } from "./execute.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { servingInstance } from "./serving.ts";
import { newInstanceId, type Start } from "./starts.ts";

/** The agent itself ends a start at the version's start timeout; its answer gets this much more, ms. */
const ANSWER_GRACE_MS = 5_000;
/** Pause before a start is tried again when its agent went away, ms. */
const AGENT_AWAY_MS = 250;
/** Pause before a version is looked at again whose failed start could not be written down, ms. */
const CONSUL_AWAY_MS = 500;
/** Pause before a start is tried again when its agent could not fetch the bundle, as while a mesh boots, or has no engine, ms. */
const MEANS_AWAY_MS = 1_000;

/** With these neither the host nor the version is at fault: jobs have taken the room, or the registry is away. */
const NO_FAULT: ReadonlySet<string> = new Set(["HOST_FULL", "REGISTRY_UNREACHABLE"]);

/** Starts an instance on a host, and says to everybody how it went. Resolves nothing: `starts` tells. */
export function startInstance(
  orchestrator: Orchestrator,
  { target, host, why = "" }: { readonly target: Target; readonly host: string; readonly why?: string },
  state: VersionState,
  token: number,
  instanceId = newInstanceId(target),
): void {
  orchestrator.starts.add({ instanceId, target, host, why });
  const again = () => orchestrator.evaluate(target.service, target.version);
  run(orchestrator, { instanceId, target, host, why }, state, token).then(again, (err: unknown) => {
    // Consul is away, most likely. Those who wait go on waiting, and the start is tried again.
    orchestrator.log.error({ err, version: clusterName(target) }, "it is not written that a start failed");
    setTimeout(again, CONSUL_AWAY_MS).unref();
  });
}

async function run(
  orchestrator: Orchestrator,
  { instanceId, target, host, why }: Start,
  state: VersionState,
  token: number,
  beganMs = steadyMs(),
): Promise<void> {
  const placedMs = steadyMs();
  const wantedMs = orchestrator.demand.wantedSince(target) ?? beganMs;
  const stage = { target, wantedMs, placedMs, host };
  try {
    const client = orchestrator.agents.at(hostAddress(orchestrator, host));
    const { instance, times } = await unary(
      client,
      "startInstance",
      {
        fencingToken: token,
        instanceId,
        spec: instanceSpec(state),
        generation: target.generation,
        placed: why,
      },
      { deadlineMs: state.manifest.startTimeoutMs + ANSWER_GRACE_MS },
    );
    if (instance === undefined || times === undefined) {
      throw new RouseError("INTERNAL", `The agent of host ${host} answered a start without an instance.`);
    }
    const start = orchestrator.starts.get(instanceId);
    if (start !== undefined) Object.assign(start, { servingSinceMs: steadyMs(), address: instance.address });
    orchestrator.setbacks.clear(target);
    orchestrator.placer.noteServed(target, host);
    const version = versionKey(target);
    orchestrator.outcomes.note({ version, host, failed: false, reason: "", atMs: steadyMs() });
    served(orchestrator, target, { id: instanceId, address: instance.address, host });
    const { createdMs, startedMs, readyMs } = times;
    orchestrator.announceStages({ ...stage, createdMs, startedMs, readyMs, error: "" });
  } catch (thrown) {
    const error = RouseError.from(thrown);
    const { startTimeoutMs } = state.manifest;
    const isGone = isHostGone(orchestrator, host);
    if (error.reason === "STALE_TOKEN" && (await orchestrator.mesh.leads?.()) === false) {
      // Cut off from Consul, it has not heard of the next leader, whose business all further is.
      orchestrator.starts.remove(instanceId);
      orchestrator.log.warn({ token, host }, "agents obey another leader");
      if (orchestrator.token === token) orchestrator.follow();
      return;
    }
    // Callers may wait for longer, but there may be other hosts.
    const hasTime = !isGone && steadyMs() - beganMs < startTimeoutMs;
    const isElsewhere = () => orchestrator.placer.fitsBeside(state, new Set([host]));
    const pauseMs = hasTime ? pauseAfter(error, isElsewhere) : undefined;
    if (pauseMs !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      if (orchestrator.token === token && orchestrator.starts.get(instanceId) !== undefined) {
        // The same instance id makes sure that a start which a restarted agent adopted is not made twice; one that has failed is spent.
        const id = isAgentAway(error) ? instanceId : newInstanceId(target);
        const again = { instanceId: id, target, host, why };
        if (id !== instanceId) {
          orchestrator.starts.remove(instanceId);
          orchestrator.starts.add(again);
        }
        // Who holds its calls gives up a while after the start's limit, unless it hears that the start begins anew.
        const { message } = error;
        orchestrator.announceStages({ ...stage, createdMs: 0, startedMs: 0, readyMs: 0, error: message });
        return run(orchestrator, again, state, token, beganMs);
      }
    }
    orchestrator.starts.remove(instanceId);
    if (orchestrator.token !== token) return;
    if (isGone) {
      // Not the version's fault: the next plan starts it elsewhere, and who holds its calls is to know that somebody is at it.
      const error = `host ${host} is gone`;
      orchestrator.announceStages({ ...stage, createdMs: 0, startedMs: 0, readyMs: 0, error });
      orchestrator.log.warn({ version: clusterName(target), host }, "a start ended with its host");
      return;
    }
    // Who reads it is told the version already.
    const reason = error.message.replace(`${target.service} ${target.version} `, "it ").replace(/\.$/, "");
    const failedMs = steadyMs();
    const attempt = { host, reason: error.reason, message: reason, beganMs: placedMs, failedMs };
    const { outcomes, attempts } = orchestrator;
    const version = versionKey(target);
    if (error.reason !== "START_STOPPED") {
      if (!NO_FAULT.has(error.reason)) outcomes.note({ version, host, failed: true, reason, atMs: failedMs });
      orchestrator.placer.noteFailed(target, host, failedMs);
    }
    // Others serve: no caller waits for this one.
    if (servingInstance(orchestrator, target) !== undefined) {
      const waitMs = orchestrator.setbacks.note(target, failedMs);
      orchestrator.log.warn({ version: clusterName(target), ...attempt, waitMs }, "no further instance");
      return;
    }
    const all = attempts.note(target, attempt);
    const tried = new Set(all.map((one) => one.host));
    const isUntried = orchestrator.placer.fitsBeside(state, tried);
    const message = tellAttempts(all);
    orchestrator.announceStages({ ...stage, createdMs: 0, startedMs: 0, readyMs: 0, error: message });
    if (!triesAgain(all, isUntried, wantedMs + patienceMs(state.manifest)))
      return fail(orchestrator, target, message);
    orchestrator.log.warn({ version: clusterName(target), ...attempt }, "start failed; it is tried again");
  }
}

/**
 * So long to wait before the start is tried on the same host again, ms; undefined: it has failed there. Pure.
 *
 * @param isElsewhere Whether it would fit on another host.
 */
export function pauseAfter(error: RouseError, isElsewhere: () => boolean): number | undefined {
  if (isAgentAway(error)) return AGENT_AWAY_MS;
  const waits =
    error.reason === "REGISTRY_UNREACHABLE" || (error.reason === "ENGINE_UNAVAILABLE" && !isElsewhere());
  return waits ? MEANS_AWAY_MS : undefined;
}

/** It restarts, or is not ready for anything yet: it has not said what became of the start. */
function isAgentAway({ status, reason }: RouseError): boolean {
  return status === "UNAVAILABLE" && (reason === "UNAVAILABLE" || reason === "HOST_SETTLING");
}

function isHostGone({ mesh }: Orchestrator, name: string): boolean {
  return isGone(mesh.hosts().find((candidate) => candidate.host === name));
}
