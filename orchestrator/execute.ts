import type { Activation, VersionState } from "../registry/state.ts";
import type { Target } from "../registry/target.ts";
import { clusterName, versionKey } from "../registry/target.ts";
import { age } from "../sdk/age.ts";
import { RouseError } from "../sdk/errors.ts";
import { unary } from "../sdk/grpc.ts";
import { steadyMs } from "../sdk/steady.ts";
import { tellAttempts } from "./attempts.ts";
import { type Ending, lastWords } from "./last-words.ts";
import type { Orchestrator } from "./orchestrator.ts";
import type { Action, MoveReason } from "./plan.ts";
import { nextGeneration } from "./plan.ts";
import { backOffMs } from "./setbacks.ts";
import { startInstance } from "./start.ts";
import { resume, suspend } from "./suspend.ts";

/** Time between SIGTERM and SIGKILL of an instance that has drained, ms. */
const STOP_GRACE_MS = 10_000;
/** How long after its end Consul surely shows an instance no more, ms. */
const FORGOTTEN_MS = 30_000;
/** After a failed command the instance is looked at again, ms. */
const COMMAND_RETRY_MS = 2_000;
/** How long an agent may take to say that an instance retires, ms. */
const RETIRE_MS = 5_000;
/** How long after an instance serves it is written down that its generation did, ms. */
const NOTE_MS = 50;
/** A version that was called within this time is replaced at once when its last instance ends, ms. */
const IN_USE_MS = 60_000;
/** An instance that ends within this time has failed, ms. */
export const STABLE_MS = 10_000;
/** So many quick ends in a row are made good at once; Nomad's default for services is 2 restarts, too. */
const QUICK_ENDS = 2;
/** After so many quick ends in a row (and back-offs of 8 min in all) only a person starts it again. */
const MOST_CRASHES = 9;

/**
 * Carries one action out. Starts and stops go on after it resolves; `starts` and `stopping` say so meanwhile.
 */
export async function execute(
  orchestrator: Orchestrator,
  action: Action,
  state: VersionState,
  token: number,
): Promise<void> {
  switch (action.kind) {
    case "start":
      startInstance(orchestrator, action, state, token);
      return;
    case "stop":
      void stopInstance(
        orchestrator,
        action.instance.id,
        action.instance.host,
        state,
        action.reason,
        token,
      ).then((gone) => {
        // One on standby had no calls: its generation may be the one that is wanted just now.
        if (gone && action.instance.standby === undefined) forgetEmpty(orchestrator, action.target);
      });
      return;
    case "suspend":
      return suspend(orchestrator, action, state, token);
    case "resume":
      return resume(orchestrator, action, state, token);
    case "retire":
      return retire(orchestrator, action, token);
    case "adopt":
      return adopt(orchestrator, action, token);
    case "fail":
      return fail(orchestrator, action.target, withAttempts(orchestrator, action.target, action.message));
    case "next-generation":
      return moveOn(orchestrator, action.target, action.reason);
  }
}

async function moveOn(orchestrator: Orchestrator, target: Target, reason: MoveReason): Promise<void> {
  const { demand, log } = orchestrator;
  const livedMs = steadyMs() - (demand.servedAt(target) ?? 0);
  const ended = reason === "its last instance ended" || reason === "its host is dead";
  const quickly = reason === "its last instance ended" && livedMs < STABLE_MS;
  const activation = await change(orchestrator, target, (now) => {
    if (now.generation !== target.generation) return now;
    const { failures = 0, ...next } = nextGeneration(now);
    if (quickly) return { ...next, failures: failures + 1 };
    return reason === "the back-off is over" || reason === "its host is dead" ? { ...next, failures } : next;
  });
  log.info({ version: clusterName(target), next: activation.generation, reason }, "next generation");
  const next = { ...target, generation: activation.generation };
  // A version whose instances this leader never saw is not in use as far as anybody knows.
  const lastActive = demand.lastActive(target) ?? Number.NEGATIVE_INFINITY;
  const inUse = Math.min(steadyMs(), demand.loadsUntil()) - lastActive < IN_USE_MS;
  const wanted = demand.wantedSince(target) !== undefined;
  if (ended) demand.forget(target);
  else demand.settle(target);
  orchestrator.attempts.clear(target);
  if (quickly) {
    const { failures = 0 } = activation;
    const words = lastWords(orchestrator, target);
    void words.then((ending) => noteCrash(orchestrator, target, ending));
    if (failures > QUICK_ENDS)
      return fail(orchestrator, next, tellCrashes(next, failures, livedMs, await words), failures);
  }
  if ((ended && inUse) || (wanted && reason !== "idle")) demand.wantOwn(next, steadyMs());
}

/** What keeps it from being tried again, and what happened when it was tried. */
function withAttempts({ attempts }: Orchestrator, target: Target, message: string): string {
  const before = tellAttempts(attempts.of(target));
  return before === "" ? message : `${before}; and now ${message}`;
}

function noteCrash({ outcomes }: Orchestrator, target: Target, ending: Ending | undefined): void {
  if (ending === undefined) return;
  const { host, reason } = ending;
  outcomes.note({ version: versionKey(target), host, failed: true, reason, atMs: steadyMs() });
}

/** Says that a version is in a crash loop, and how its last instance ended. */
function tellCrashes(
  { service, version }: Target,
  crashes: number,
  livedMs: number,
  ending: Ending | undefined,
): string {
  const end =
    crashes < MOST_CRASHES ? "" : `; it is not started again before "rouse start ${service} ${version}"`;
  const how = ending === undefined ? "" : `: ${ending.reason} (host ${ending.host})`;
  return `it is crash-looping, ${crashes} times in a row it ended soon after it began to serve, the last time after ${age(livedMs)}${end}${how}`;
}

/**
 * Gives a generation up for now: callers get the message until the back-off ends.
 *
 * @param crashes - So many times in a row it ended soon after it began to serve; undefined: it did not even begin.
 */
export async function fail(
  orchestrator: Orchestrator,
  target: Target,
  reason: string,
  crashes?: number,
): Promise<void> {
  const { log } = orchestrator;
  let waitMs = 0;
  orchestrator.attempts.clear(target);
  await change(orchestrator, target, (now) => {
    if (now.generation !== target.generation) return now;
    const failures = crashes ?? (now.failures ?? 0) + 1;
    waitMs = backOffMs(failures);
    const failure = { status: "UNAVAILABLE", message: reason, retryAtMs: steadyMs() + waitMs };
    if (crashes === undefined) return { ...now, failures, failure };
    const loop = crashes < MOST_CRASHES ? { crashes } : { crashes, final: true };
    return { ...now, failures, failure: { ...failure, ...loop } };
  });
  log.warn({ version: clusterName(target), reason, waitMs }, "start failed");
  const message = `${target.service} ${target.version} cannot serve: ${reason}.`;
  orchestrator.settle(target, { error: new RouseError("UNAVAILABLE", message, { reason: "START_FAILED" }) });
}

async function adopt(
  orchestrator: Orchestrator,
  { target, instance }: Extract<Action, { kind: "adopt" }>,
  token: number,
): Promise<void> {
  const address = hostAddress(orchestrator, instance.host);
  const client = orchestrator.agents.at(address);
  try {
    await unary(client, "setGeneration", {
      fencingToken: token,
      instanceId: instance.id,
      generation: target.generation,
    });
  } catch (error) {
    // It ended meanwhile, or its agent is away: a start takes its place.
    orchestrator.log.warn({ err: error, instance: instance.id }, "instance cannot be taken over");
    setAside(orchestrator, instance.id, target);
    return;
  }
  const nowMs = steadyMs();
  orchestrator.overlay.setGeneration(instance.id, target.generation, nowMs);
  served(orchestrator, target, { id: instance.id, address: instance.address, host: instance.host });
  const stage = {
    wantedMs: orchestrator.demand.wantedSince(target) ?? nowMs,
    placedMs: nowMs,
    createdMs: nowMs,
  };
  orchestrator.announceStages({
    target,
    ...stage,
    startedMs: nowMs,
    readyMs: nowMs,
    host: instance.host,
    error: "",
  });
}

/** Has an instance take no new calls any more. */
async function retire(
  orchestrator: Orchestrator,
  { target, instance, reason }: Extract<Action, { kind: "retire" }>,
  token: number,
): Promise<void> {
  const { id, host } = instance;
  try {
    const client = orchestrator.agents.at(hostAddress(orchestrator, host));
    const request = { fencingToken: token, instanceId: id, reason };
    await unary(client, "retireInstance", request, { deadlineMs: RETIRE_MS });
    orchestrator.overlay.setRetiring(id, steadyMs());
    orchestrator.log.info({ instance: id, reason }, "instance retires");
  } catch (error) {
    // It has ended, or its agent is away: it is looked at again.
    orchestrator.log.warn({ err: error, instance: id }, "instance cannot be retired");
    setAside(orchestrator, id, target);
  }
}

/** Leaves an instance alone for a while after a command to it failed; then its version is looked at again. */
function setAside(
  orchestrator: Orchestrator,
  instanceId: string,
  { service, version }: Pick<Target, "service" | "version">,
): void {
  orchestrator.stopping.add(instanceId);
  setTimeout(() => {
    orchestrator.stopping.delete(instanceId);
    orchestrator.evaluate(service, version);
  }, COMMAND_RETRY_MS).unref();
}

/** Lets go of what is kept about a retired generation once its last instance has stopped. */
export function forgetEmpty(orchestrator: Orchestrator, target: Target): void {
  const version = orchestrator.mesh.current().services.get(target.service)?.versions.get(target.version);
  const left = version?.instances.some(
    ({ id, generation }) => generation === target.generation && !orchestrator.stopping.has(id),
  );
  if (left !== true) orchestrator.demand.forget(target);
}

/** Tells everybody that a target serves, and keeps that its cluster is known to Envoys. */
export function served(
  orchestrator: Orchestrator,
  target: Target,
  instance: { readonly id: string; readonly address: string; readonly host: string },
): void {
  const ready = {
    kind: {
      $case: "ready" as const,
      value: { target, instanceId: instance.id, address: instance.address, host: instance.host },
    },
  };
  orchestrator.announce(ready);
  orchestrator.attempts.clear(target);
  orchestrator.demand.served(target, steadyMs());
  orchestrator.settle(target, { ready });
  // Nobody waits for this write, and the first calls need the cores.
  setTimeout(() => {
    noteServed(orchestrator, target).catch((error: unknown) =>
      orchestrator.log.error({ err: error, version: clusterName(target) }, "not written that it served"),
    );
  }, NOTE_MS);
}

/** Keeps in Consul that Envoys know the generation's cluster. */
export async function noteServed(orchestrator: Orchestrator, target: Target): Promise<void> {
  await change(orchestrator, target, (now) => {
    if (now.generation !== target.generation || now.served === true) return now;
    const { failure: _over, ...kept } = now;
    return { ...kept, served: true };
  });
}

/** Stops one instance; `stopping` holds its id until Consul shows it no more. @returns whether it is gone. */
export async function stopInstance(
  orchestrator: Orchestrator,
  instanceId: string,
  host: string,
  state: VersionState,
  reason: string,
  token: number,
): Promise<boolean> {
  const { service, version } = state.manifest;
  orchestrator.stopping.add(instanceId);
  try {
    const client = orchestrator.agents.at(hostAddress(orchestrator, host));
    const request = { fencingToken: token, instanceId, graceMs: STOP_GRACE_MS, reason };
    await unary(client, "stopInstance", request, { deadlineMs: STOP_GRACE_MS + 10_000 });
    orchestrator.log.info({ instance: instanceId, reason }, "instance stopped");
    // One that never got into Consul does not leave it, either.
    setTimeout(() => orchestrator.stopping.delete(instanceId), FORGOTTEN_MS).unref();
    return true;
  } catch (error) {
    if (RouseError.from(error).status === "NOT_FOUND") return true;
    orchestrator.log.warn({ err: error, instance: instanceId }, "stop failed; it is tried again");
    setAside(orchestrator, instanceId, { service, version });
    return false;
  }
}

export function hostAddress(orchestrator: Orchestrator, name: string): string {
  const host = orchestrator.mesh.hosts().find((candidate) => candidate.host === name);
  if (host === undefined) {
    throw new RouseError("UNAVAILABLE", `Host ${name} is not announced in Consul; is its agent running?`, {
      reason: "HOST_UNKNOWN",
    });
  }
  return host.address;
}

/** Changes what Consul holds of a version, and what this orchestrator goes by until its watch shows the same. */
export async function change(
  orchestrator: Orchestrator,
  { service, version }: Target,
  update: (now: Activation) => Activation,
): Promise<Activation> {
  const activation = await orchestrator.mesh.updateActivation(service, version, update);
  orchestrator.overlay.setActivation(service, version, activation, steadyMs());
  return activation;
}
