import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { HistoryEntry } from "#proto/rouse/registry/v1/releases.ts";
import type { ConsulClient } from "../consul.ts";
import { HISTORY_PREFIX } from "../keys.ts";
import { listKeyNames, listKeys, type TransactionStep, transact } from "../kv.ts";
import { parseValue } from "../service-record.ts";

/** Something that happened to a service. */
export interface Happening {
  readonly service: string;
  /** Provider id, or "administrator". */
  readonly by: string;
  /** Such as "registered"; docs/providers.md lists them. */
  readonly what: string;
  readonly version?: string;
  readonly tag?: string;
  /** Message, reason or what changed. */
  readonly detail?: string;
  /** Revision of the description after it. */
  readonly revision?: number;
}

/** So many entries of a service are kept; older ones go when it has {@link SPARE} more. */
const MOST_ENTRIES = 1_000;
const SPARE = 64;
/** Longest detail that is kept, in characters. */
const MAX_DETAIL = 4_000;
/** Most steps of a transaction are 128. */
const DELETED_AT_ONCE = 100;

const entrySchema = z.object({
  atMs: z.number(),
  by: z.string(),
  what: z.string(),
  version: z.string().default(""),
  tag: z.string().default(""),
  detail: z.string().default(""),
  revision: z.number().default(0),
});

/*
 * Each entry is a key of its own, named by its time: writers never meet, and the names sort as the entries do.
 */
const folder = (service: string) => `${HISTORY_PREFIX}${service}/`;

/** The step that records a happening in the same transaction as what happens. */
export function historyStep(happening: Happening, nowMs = Date.now()): TransactionStep {
  const { service, detail, ...rest } = happening;
  const key = `${folder(service)}${String(nowMs).padStart(15, "0")}-${randomBytes(6).toString("hex")}`;
  const kept = detail === undefined ? {} : { detail: detail.slice(0, MAX_DETAIL) };
  return { verb: "set", key, value: JSON.stringify({ atMs: nowMs, ...rest, ...kept }) };
}

/** Records something that has happened to a service. */
export async function record(
  { consul }: { readonly consul: ConsulClient },
  happening: Happening,
): Promise<void> {
  await transact(consul, [historyStep(happening)]);
  await trimHistory(consul, happening.service);
}

/** What happened to a service, newest first; at most `limit`. */
export async function readHistory(
  { consul }: { readonly consul: ConsulClient },
  service: string,
  limit = 100,
): Promise<HistoryEntry[]> {
  const items = await listKeys(consul, folder(service));
  return items
    .sort((a, b) => (a.Key < b.Key ? 1 : -1))
    .slice(0, limit)
    .map((item) => parseValue(entrySchema, item));
}

/** Deletes the oldest entries above the bound. */
export async function trimHistory(consul: ConsulClient, service: string): Promise<void> {
  const names = await listKeyNames(consul, folder(service));
  if (names.length <= MOST_ENTRIES + SPARE) return;
  const old = names.sort().slice(0, names.length - MOST_ENTRIES);
  for (let at = 0; at < old.length; at += DELETED_AT_ONCE) {
    const steps = old.slice(at, at + DELETED_AT_ONCE).map((key) => ({ verb: "delete" as const, key }));
    await transact(consul, steps);
  }
}
