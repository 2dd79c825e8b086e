import { z } from "zod";
import type { ConsulClient } from "./consul.ts";
import { healthKey } from "./keys.ts";
import { decodeValue, readKey, transact, writeKey } from "./kv.ts";

/**
 * How an instance, or a host, is doing:
 *
 * healthy ⇄ suspect → quarantined ⇄ probation → healthy, and quarantined once too often → retired.
 */
export const conditions = ["healthy", "suspect", "quarantined", "probation", "retired"] as const;
export type Condition = (typeof conditions)[number];

/** What is kept of one instance or host. */
export interface HealthRecord {
  readonly condition: Condition;
  /** Since when it is in this condition, ms since 1970. */
  readonly sinceMs: number;
  /** Why, as a clause; empty when healthy. */
  readonly reason: string;
  /** Quarantines so far; forgiven after a long healthy time. */
  readonly strikes: number;
  /** When a quarantine or a probation ends, ms since 1970; undefined in other conditions. */
  readonly untilMs?: number;
  /** When it was last seen doing badly, ms since 1970; undefined: never. */
  readonly badAtMs?: number;
}

export const healthRecordSchema: z.ZodType<HealthRecord> = z.object({
  condition: z.enum(conditions),
  sinceMs: z.number(),
  reason: z.string(),
  strikes: z.number().int().min(0),
  untilMs: z.number().exactOptional(),
  badAtMs: z.number().exactOptional(),
});

/** Value of rouse/health/<service>/<version>, which the leading orchestrator writes; there is none when all is well. */
export interface VersionHealth {
  /** By instance id, of those that are not healthy, or were quarantined lately. */
  readonly instances: Readonly<Record<string, HealthRecord>>;
  /** Why the version itself is at fault, as a clause: none of its instances is quarantined then. */
  readonly fault?: string;
  /** Fencing token of the leader that wrote it. */
  readonly token: number;
}

export const versionHealthSchema: z.ZodType<VersionHealth> = z.object({
  instances: z.record(z.string(), healthRecordSchema),
  fault: z.string().exactOptional(),
  token: z.number(),
});

/**
 * Writes the health of a version by check-and-set; nothing to say removes the key. What a newer leader wrote is left alone.
 *
 * @returns false when somebody else wrote meanwhile.
 * @throws what {@link ConsulClient.request} throws.
 */
export async function writeVersionHealth(
  consul: ConsulClient,
  service: string,
  version: string,
  health: VersionHealth,
): Promise<boolean> {
  const key = healthKey(service, version);
  const empty = Object.keys(health.instances).length === 0 && health.fault === undefined;
  const item = await readKey(consul, key);
  if (item === undefined && empty) return true;
  if (item !== undefined && tokenOf(decodeValue(item).toString("utf8")) > health.token) return true;
  const index = item?.ModifyIndex ?? 0;
  return empty
    ? await transact(consul, [{ verb: "delete-cas", key, index }])
    : await writeKey(consul, key, JSON.stringify(health), { cas: index });
}

/** 0 for what cannot be read: it is written anew. */
function tokenOf(text: string): number {
  try {
    const parsed = versionHealthSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data.token : 0;
  } catch {
    return 0;
  }
}
