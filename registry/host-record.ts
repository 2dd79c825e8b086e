import { z } from "zod";
import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";
import { type HealthRecord, healthRecordSchema } from "./health-record.ts";
import { hostKey } from "./keys.ts";
import { decodeValue, type KvItem, readKey, writeKey } from "./kv.ts";

/**
 * What people want of a host: `active` takes instances; `cordoned` keeps what it has and takes no more; `draining` gives up what it
 * has as well; `maintenance` is a host that was drained, or is to be left alone for another reason.
 */
export const hostModes = ["active", "cordoned", "draining", "maintenance"] as const;
export type HostMode = (typeof hostModes)[number];

/** Since when a host is in its mode, and why. */
export interface HostModeState {
  readonly mode: HostMode;
  /** A person's words; empty for an active host. */
  readonly reason: string;
  /** Milliseconds since 1970; 0 when it never was in another mode. */
  readonly atMs: number;
  /** Draining only: instances that are left then are stopped though calls are open; ms since 1970. */
  readonly deadlineMs?: number;
}

/** A host that was declared dead, until its agent has stopped what was replaced elsewhere. */
export interface HostLoss {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Fencing token of the leader that declared it. */
  readonly token: number;
  /** Ids of the instances that it had, as far as Consul knew. */
  readonly instances: readonly string[];
}

/** Value of rouse/hosts/<host>. A host without one is active. */
export interface HostRecord {
  readonly mode?: HostModeState;
  readonly lost?: HostLoss;
  /** Set while the host is not well, or was not lately: what it was given failed on it (orchestrator/health/blame.ts). */
  readonly health?: HealthRecord;
}

/** Fields that a newer Rouse adds survive an update by this one. */
export const hostRecordSchema: z.ZodType<HostRecord> = z.looseObject({
  mode: z
    .object({
      mode: z.enum(hostModes),
      reason: z.string(),
      atMs: z.number(),
      deadlineMs: z.number().exactOptional(),
    })
    .exactOptional(),
  lost: z.object({ atMs: z.number(), token: z.number(), instances: z.array(z.string()) }).exactOptional(),
  health: healthRecordSchema.exactOptional(),
});

/** The mode of a host that has no record. */
export const ACTIVE: HostModeState = Object.freeze({ mode: "active", reason: "", atMs: 0 });

const NO_RECORD: HostRecord = Object.freeze({});
/** Writers are few: people, the leader, the host's own agent. So many lost races mean a fault. */
const MOST_TRIES = 16;

/** The record of a key of Consul. @throws what JSON.parse and zod throw. */
export function parseHostRecord(item: KvItem): HostRecord {
  return hostRecordSchema.parse(JSON.parse(decodeValue(item).toString("utf8")));
}

/** What Consul holds of a host's mode and loss; an empty record when that is nothing. @throws RouseError DATA_LOSS. */
export async function readHostRecord(consul: ConsulClient, host: string): Promise<HostRecord> {
  return (await read(consul, host)).record;
}

/**
 * Changes a host's record by check-and-set. `change` is pure; it may be called several times, and returns its argument to leave
 * things as they are.
 *
 * @returns the record that holds afterwards.
 * @throws RouseError ABORTED after 16 lost races, DATA_LOSS; what {@link ConsulClient.request} throws; what `change` throws.
 */
export async function updateHostRecord(
  consul: ConsulClient,
  host: string,
  change: (record: HostRecord) => HostRecord,
): Promise<HostRecord> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const { record, index } = await read(consul, host);
    const next = change(record);
    if (next === record) return record;
    if (await writeKey(consul, hostKey(host), JSON.stringify(next), { cas: index })) return next;
  }
  throw new RouseError(
    "ABORTED",
    `The record of host ${host} changed ${MOST_TRIES} times while it was written: see who else writes ${hostKey(host)} in Consul.`,
    { reason: "HOST_CONTENDED" },
  );
}

async function read(consul: ConsulClient, host: string): Promise<{ record: HostRecord; index: number }> {
  const item = await readKey(consul, hostKey(host));
  if (item === undefined) return { record: NO_RECORD, index: 0 };
  try {
    return { record: parseHostRecord(item), index: item.ModifyIndex };
  } catch (cause) {
    throw new RouseError(
      "DATA_LOSS",
      `Consul holds under ${hostKey(host)} what Rouse cannot read. Delete the key; the host then counts as active.`,
      { reason: "CONSUL_VALUE_INVALID", cause },
    );
  }
}
