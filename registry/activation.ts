import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";
import { activationKey } from "./keys.ts";
import { decodeValue, readKey, transact, writeKey } from "./kv.ts";
import { activationSchema, FIRST_ACTIVATION } from "./records.ts";
import type { Activation } from "./state.ts";

/** Writers of one version's activation are few (the leader, an administrator), so this many lost races mean a fault. */
const MOST_TRIES = 16;

/** A lock that must be held when something is written, lest a leader that was replaced unawares writes. */
export interface HeldLock {
  readonly key: string;
  readonly session: string;
}

/** The activation that Consul holds now; {generation: 1} when none was ever written. */
export async function readActivation(
  consul: ConsulClient,
  service: string,
  version: string,
): Promise<Activation> {
  return (await read(consul, activationKey(service, version))).activation;
}

/**
 * Changes a version's activation by check-and-set: reads, lets `change` compute, writes, and begins again when somebody else
 * wrote meanwhile. `change` is pure; it may be called several times, and returns its argument to leave things as they are.
 *
 * @param lock Nothing is written unless it is held.
 * @returns the activation that holds afterwards.
 * @throws RouseError ABORTED after 16 lost races; FAILED_PRECONDITION NOT_LEADING when the lock is not held; what {@link ConsulClient.request} throws; what `change` throws.
 */
export async function updateActivation(
  consul: ConsulClient,
  service: string,
  version: string,
  change: (activation: Activation) => Activation,
  lock?: HeldLock,
): Promise<Activation> {
  const key = activationKey(service, version);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const { activation, index } = await read(consul, key);
    const next = change(activation);
    if (next === activation) return activation;
    const value = JSON.stringify(next);
    if (
      lock === undefined
        ? await writeKey(consul, key, value, { cas: index })
        : await writeFenced(consul, { key, value, index }, lock)
    )
      return next;
  }
  throw new RouseError(
    "ABORTED",
    `The activation of ${service} ${version} changed ${MOST_TRIES} times while it was written: see who else writes ${key} in Consul.`,
    { reason: "ACTIVATION_CONTENDED" },
  );
}

/** @returns false when somebody else wrote meanwhile. */
async function writeFenced(
  consul: ConsulClient,
  { key, value, index }: { key: string; value: string; index: number },
  lock: HeldLock,
): Promise<boolean> {
  const held = { verb: "check-session" as const, ...lock };
  if (await transact(consul, [held, { verb: "cas", key, value, index }])) return true;
  if ((await readKey(consul, lock.key))?.Session === lock.session) return false;
  throw new RouseError(
    "FAILED_PRECONDITION",
    `${key} is not written: another orchestrator has taken the lead meanwhile, as ${lock.key} in Consul says. It does what is to be done.`,
    { reason: "NOT_LEADING" },
  );
}

async function read(consul: ConsulClient, key: string): Promise<{ activation: Activation; index: number }> {
  const item = await readKey(consul, key);
  if (item === undefined) return { activation: FIRST_ACTIVATION, index: 0 };
  try {
    const activation = activationSchema.parse(JSON.parse(decodeValue(item).toString("utf8")));
    return { activation, index: item.ModifyIndex };
  } catch (cause) {
    throw new RouseError(
      "DATA_LOSS",
      `Consul holds under ${key} what Rouse cannot read. Delete the key; the version then begins again at generation 1.`,
      { reason: "CONSUL_VALUE_INVALID", cause },
    );
  }
}
