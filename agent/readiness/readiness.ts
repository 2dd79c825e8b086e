import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { RouseError } from "../../sdk/errors.ts";
import { describeForeignProtocol, describeTimeout, lastOutput } from "../endings.ts";
import type { InstanceRecord } from "../record.ts";
import type { Unit } from "../runtimes/runtime.ts";
import { type Health, HealthWatch } from "./health.ts";
import type { Announced, NotifySocket } from "./notify.ts";
import { awaitPort } from "./port.ts";

/** A unit that serves. */
export interface Ready {
  /** "host:port" or "unix:/path". */
  readonly address: string;
  /** Goes on following its health. */
  readonly health: HealthWatch;
}

/**
 * Waits until a unit serves: first where (pushed on the notify socket, or its port opens), then whether (pushed with
 * it, or by grpc.health.v1/Watch).
 *
 * @param changed told every change of health after the first SERVING.
 * @throws RouseError DEADLINE_EXCEEDED START_TIMEOUT or WRONG_PORT, ABORTED NOT_HTTP2; the signal's reason.
 */
export async function awaitReady(
  unit: Unit,
  instance: Pick<InstanceRecord, "id" | "spec">,
  notify: NotifySocket,
  signal: AbortSignal,
  changed: (health: Health, detail: string) => void,
): Promise<Ready> {
  const { spec } = instance;
  const timeout = AbortSignal.timeout(spec.startTimeoutMs);
  const both = AbortSignal.any([signal, timeout]);
  let seen: Health | undefined;
  try {
    const { address, serving } = await whereabouts(unit, instance, notify, both);
    // Following its health then goes on beside its first calls.
    if (serving) return { address, health: new HealthWatch(address, spec.service, changed) };
    return await untilServing(address, spec.service, both, (health, detail) => {
      seen = health;
      changed(health, detail);
    });
  } catch (error) {
    if (!timeout.aborted || signal.aborted) throw error;
    const listening = await unit.listening();
    const health = seen === "not-serving" ? "NOT_SERVING" : undefined;
    throw describeTimeout(spec, unit.expected, { listening, health, output: await lastOutput(unit) });
  }
}

/** Where a unit listens: the address it announces, or its port once that opens. */
async function whereabouts(
  unit: Unit,
  { id, spec }: Pick<InstanceRecord, "id" | "spec">,
  notify: NotifySocket,
  signal: AbortSignal,
): Promise<Announced> {
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  const announced = announcement(unit, id, spec, notify, stop);
  const found =
    spec.image !== "" && unit.expected !== undefined ? openPort(unit, unit.expected, spec, stop) : undefined;
  try {
    return await Promise.race(found === undefined ? [announced] : [announced, found]);
  } finally {
    announced.catch(() => {});
    found?.catch(() => {});
    done.abort();
  }
}

function announcement(
  unit: Unit,
  id: string,
  spec: InstanceSpec,
  notify: NotifySocket,
  signal: AbortSignal,
): Promise<Announced> {
  return new Promise((resolve, reject) => {
    const forget = notify.await(unit.notifyName, id, ({ address, serving }) => {
      try {
        resolve({ address: reachable(address, unit, spec), serving });
      } catch (error) {
        reject(error);
      }
    });
    const stop = () => {
      forget();
      reject(signal.reason);
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

/**
 * The address as seen from this host, and from the others where there are any.
 *
 * @throws RouseError FAILED_PRECONDITION ADDRESS_OF_ONE_HOST.
 */
function reachable(address: string, unit: Unit, spec: InstanceSpec): string {
  const { ip } = unit;
  const here =
    ip === undefined || address.startsWith("unix:")
      ? address
      : `${ip}${address.slice(address.lastIndexOf(":"))}`;
  if (unit.outside === undefined) return here;
  const there = unit.outside(here);
  if (there !== undefined) return there;
  throw new RouseError(
    "FAILED_PRECONDITION",
    `${spec.service} ${spec.version} listens on ${address}, where other hosts of the mesh cannot reach it. Let it listen where ROUSE_LISTEN says.`,
    { reason: "ADDRESS_OF_ONE_HOST" },
  );
}

async function openPort(
  unit: Unit,
  expected: string,
  spec: InstanceSpec,
  signal: AbortSignal,
): Promise<Announced> {
  const colon = expected.lastIndexOf(":");
  const answer = await awaitPort(expected.slice(0, colon), Number(expected.slice(colon + 1)), signal);
  if (answer.kind === "http2") return { address: reachable(expected, unit, spec), serving: false };
  throw describeForeignProtocol(spec, expected, answer.words);
}

function untilServing(
  address: string,
  service: string,
  signal: AbortSignal,
  changed: (health: Health, detail: string) => void,
): Promise<Ready> {
  return new Promise((resolve, reject) => {
    let ready = false;
    const health = new HealthWatch(address, service, (now, detail) => {
      changed(now, detail);
      if (now !== "serving" || ready) return;
      ready = true;
      signal.removeEventListener("abort", stop);
      resolve({ address, health });
    });
    const stop = () => {
      health.close();
      reject(signal.reason);
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

/** Follows the health of a unit that served already, under a former agent. */
export function resumeHealth(
  address: string,
  service: string,
  changed: (health: Health, detail: string) => void,
): HealthWatch {
  return new HealthWatch(address, service, changed);
}
