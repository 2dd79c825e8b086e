import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";
import { activationKey } from "./keys.ts";
import { decodeValue, readKey, writeKey } from "./kv.ts";
import { activationSchema, FIRST_ACTIVATION } from "./records.ts";
import type { Activation } from "./state.ts";

/** Writers of one version's activation are few (the leader, an administrator), so this many lost races mean a fault. */
const MOST_TRIES = 16;

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
 * @returns the activation that holds afterwards.
 * @throws RouseError ABORTED after 16 lost races; what {@link ConsulClient.request} throws; what `change` throws.
 */
export async function updateActivation(
  consul: ConsulClient,
  service: string,
  version: string,
  change: (activation: Activation) => Activation,
): Promise<Activation> {
  const key = activationKey(service, version);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const { activation, index } = await read(consul, key);
    const next = change(activation);
    if (next === activation) return activation;
    if (await writeKey(consul, key, JSON.stringify(next), { cas: index })) return next;
  }
  throw new RouseError(
    "ABORTED",
    `The activation of ${service} ${version} changed ${MOST_TRIES} times while it was written: see who else writes ${key} in Consul.`,
    { reason: "ACTIVATION_CONTENDED" },
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
