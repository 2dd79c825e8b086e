import type { VersionState } from "../registry/state.ts";
import { RouseError } from "../sdk/errors.ts";
import { unary } from "../sdk/grpc.ts";
import { steadyMs } from "../sdk/steady.ts";
import { forgetEmpty, hostAddress, served, stopInstance } from "./execute.ts";
import type { Orchestrator } from "./orchestrator.ts";
import type { Action } from "./plan.ts";

/** How long an agent may take to freeze an instance, ms. */
const SUSPEND_MS = 10_000;
/** How long an agent may take to thaw one, ms; calls wait for it. */
const RESUME_MS = 3_000;
/** Pause before a command is given again when the agent was away, ms. */
const AGENT_AWAY_MS = 100;
/** After a command that failed the instance is looked at again, ms. */
const RETRY_MS = 2_000;

/** Puts an instance on standby; one that cannot be frozen is stopped. */
export async function suspend(
  orchestrator: Orchestrator,
  { target, instance, lastUsedMs, reason }: Extract<Action, { kind: "suspend" }>,
  state: VersionState,
  token: number,
): Promise<void> {
  const { id, host, generation } = instance;
  const former = { ...target, generation };
  try {
    const client = orchestrator.agents.at(hostAddress(orchestrator, host));
    const request = { fencingToken: token, instanceId: id, generation: target.generation, lastUsedMs };
    const { instance: frozen } = await unary(client, "suspendInstance", request, { deadlineMs: SUSPEND_MS });
    const standby = { sinceMs: frozen?.standbySinceMs ?? steadyMs(), lastUsedMs };
    orchestrator.overlay.setStandby(id, target.generation, standby, steadyMs());
    orchestrator.demand.arrived(target);
    orchestrator.log.info({ instance: id, reason }, "instance is on standby");
    if (generation < target.generation) forgetEmpty(orchestrator, former);
  } catch (thrown) {
    const error = RouseError.from(thrown);
    orchestrator.log.warn({ err: error, instance: id }, "instance cannot be put on standby");
    // Away, or another leads: what has become of it is seen later.
    if (error.status !== "FAILED_PRECONDITION" || error.reason === "STALE_TOKEN")
      return lookLater(orchestrator, id, target);
    void stopInstance(orchestrator, id, host, state, reason, token).then((gone) => {
      if (gone && generation < target.generation) forgetEmpty(orchestrator, former);
    });
  }
}

/**
 * Has an instance on standby thawed. One that is not is stopped, for calls may be on their way to it: they end with its
 * connections, and another instance is started.
 */
export async function resume(
  orchestrator: Orchestrator,
  { target, instance }: Extract<Action, { kind: "resume" }>,
  state: VersionState,
  token: number,
): Promise<void> {
  const { id, host, address } = instance;
  const placedMs = performance.timeOrigin + performance.now();
  const wantedMs = orchestrator.demand.wantedSince(target) ?? placedMs;
  try {
    const { acceptedMs, thawedMs } = await thaw(orchestrator, { target, instance }, state, token, wantedMs);
    orchestrator.overlay.setStandby(id, target.generation, undefined, steadyMs());
    orchestrator.demand.arrived(target);
    served(orchestrator, target, { id, address, host });
    const times = { createdMs: acceptedMs, startedMs: thawedMs, readyMs: thawedMs };
    orchestrator.announceStages({ target, wantedMs, placedMs, ...times, host, error: "" });
  } catch (error) {
    orchestrator.log.warn(
      { err: error, instance: id },
      "instance on standby cannot be resumed; another takes its place",
    );
    if (orchestrator.token !== token) return;
    void stopInstance(orchestrator, id, host, state, "it could not be resumed", token);
  }
}

/** Tries for as long as a start might take, while the agent is away. */
async function thaw(
  orchestrator: Orchestrator,
  { target, instance }: Pick<Extract<Action, { kind: "resume" }>, "target" | "instance">,
  state: VersionState,
  token: number,
  wantedMs: number,
): Promise<{ acceptedMs: number; thawedMs: number }> {
  const request = { fencingToken: token, instanceId: instance.id, generation: target.generation };
  for (;;) {
    try {
      const client = orchestrator.agents.at(hostAddress(orchestrator, instance.host));
      return await unary(client, "resumeInstance", request, { deadlineMs: RESUME_MS });
    } catch (thrown) {
      const { status } = RouseError.from(thrown);
      const late = steadyMs() - wantedMs >= state.manifest.startTimeoutMs;
      if (
        (status !== "UNAVAILABLE" && status !== "DEADLINE_EXCEEDED") ||
        late ||
        orchestrator.token !== token
      )
        throw thrown;
      await new Promise((resolve) => setTimeout(resolve, AGENT_AWAY_MS));
    }
  }
}

function lookLater(
  orchestrator: Orchestrator,
  id: string,
  { service, version }: { service: string; version: string },
): void {
  orchestrator.stopping.add(id);
  setTimeout(() => {
    orchestrator.stopping.delete(id);
    orchestrator.evaluate(service, version);
  }, RETRY_MS).unref();
}
