import { isDeepStrictEqual } from "node:util";
import { RouseError } from "../../sdk/errors.ts";
import type { ConsulClient } from "../consul.ts";
import { historyStep, trimHistory } from "../history/index.ts";
import { ALL_VERSIONS, catalogKey, nameKey, tuningKey } from "../keys.ts";
import { readKey, transact } from "../kv.ts";
import { catalogEntrySchema } from "../records.ts";
import { contended } from "../register-version.ts";
import { parseValue, readService, unchanged } from "../service-record.ts";
import { unknownService, unknownVersion } from "../spec.ts";
import type { VersionManifest } from "../state.ts";
import { contradiction, effective, type Tunings } from "./merge.ts";
import {
  allowed,
  contractName,
  said,
  TUNING_FIELDS,
  type Tuning,
  type TuningField,
  type TuningRecord,
  tuningRecordSchema,
  tuningSchema,
} from "./record.ts";

const MOST_TRIES = 16;

export interface TuningChange {
  readonly service: string;
  /** Exact; undefined: all versions. */
  readonly version: string | undefined;
  readonly set: Readonly<Record<string, unknown>>;
  /** Fields that are taken back, as contracts write them; "all". */
  readonly reset: readonly string[] | "all";
  /** Provider id, or "administrator". */
  readonly by: string;
}

/** What Consul holds of a service's tuning, by version; those of all versions under "*". */
export async function readTunings(
  consul: ConsulClient,
  service: string,
  version: string,
): Promise<{ readonly record: TuningRecord | undefined; readonly index: number }> {
  const item = await readKey(consul, tuningKey(service, version));
  if (item === undefined) return { record: undefined, index: 0 };
  return { record: parseValue(tuningRecordSchema, item), index: item.ModifyIndex };
}

/** What a change did. */
export interface TuningChanged {
  /** Such as "target_concurrency 100 → 50"; empty when everything was so already. */
  readonly changes: readonly string[];
  /** What is set now; undefined: nothing. */
  readonly record: TuningRecord | undefined;
}

/**
 * Sets or takes back values above the contract, by check-and-set, with an entry in the service's history.
 *
 * @throws RouseError NOT_FOUND SERVICE_UNKNOWN or VERSION_UNKNOWN, INVALID_ARGUMENT TUNING_INVALID, ABORTED CATALOG_CONTENDED.
 */
export async function setTuning(consul: ConsulClient, change: TuningChange): Promise<TuningChanged> {
  const { service, version, by } = change;
  const set = parse(change.set);
  const at = version ?? ALL_VERSIONS;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const record = await readService(consul, service);
    if (record.registered !== service) throw unknownService(service, []);
    if (version !== undefined && !record.versions.includes(version))
      throw unknownVersion({ service, ...record }, version);
    const { record: before, index } = await readTunings(consul, service, at);
    const next = { ...without(before?.settings ?? {}, change.reset), ...set };
    const changes = differences(before?.settings ?? {}, next);
    if (changes.length === 0) return { changes, record: before };
    await checkVersions(consul, service, version === undefined ? record.versions : [version], at, next);
    const key = tuningKey(service, at);
    const nowMs = Date.now();
    const empty = Object.keys(next).length === 0;
    const written: TuningRecord = { settings: next, by, atMs: nowMs };
    const value = JSON.stringify(written);
    const detail = changes.join(", ");
    const of = version === undefined ? {} : { version };
    const done = await transact(consul, [
      unchanged(nameKey(service), record.nameIndex),
      empty ? { verb: "delete-cas", key, index } : { verb: "cas", key, index, value },
      historyStep({ service, by, what: "tuned", ...of, detail }, nowMs),
    ]);
    if (!done) continue;
    await trimHistory(consul, service);
    return { changes, record: empty ? undefined : written };
  }
  throw contended(service);
}

function parse(set: Readonly<Record<string, unknown>>): Tuning {
  const parsed = tuningSchema.safeParse(set);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path }) => {
    const field = path[0] as TuningField;
    const value = set[field];
    const words = typeof value === "number" ? said(field, value) : String(value);
    return `${contractName(field)} ${words} is out of range: it may be ${allowed(field)}.`;
  });
  throw invalid(faults.join(" "));
}

function without(settings: Tuning, reset: readonly string[] | "all"): Tuning {
  if (reset === "all") return {};
  const unknown = reset.filter((name) => !TUNING_FIELDS.some((field) => contractName(field) === name));
  if (unknown.length > 0) {
    const known = TUNING_FIELDS.map(contractName).join(", ");
    throw invalid(`${unknown.join(", ")} cannot be tuned. What can: ${known}.`);
  }
  return Object.fromEntries(
    Object.entries(settings).filter(([field]) => !reset.includes(contractName(field as TuningField))),
  );
}

function differences(before: Tuning, after: Tuning): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  return TUNING_FIELDS.filter((field) => before[field] !== after[field]).map((field) => {
    const words = (value: number | undefined) =>
      value === undefined ? "of the contract" : said(field, value);
    return `${contractName(field)} ${words(before[field])} → ${words(after[field])}`;
  });
}

/** @throws RouseError INVALID_ARGUMENT TUNING_INVALID when what would hold of some version contradicts itself. */
async function checkVersions(
  consul: ConsulClient,
  service: string,
  versions: readonly string[],
  at: string,
  next: Tuning,
): Promise<void> {
  const ofAll =
    at === ALL_VERSIONS ? next : (await readTunings(consul, service, ALL_VERSIONS)).record?.settings;
  for (const version of versions) {
    const item = await readKey(consul, catalogKey(service, version));
    if (item === undefined) continue;
    const manifest: VersionManifest = parseValue(catalogEntrySchema, item).manifest;
    const own = at === version ? next : (await readTunings(consul, service, version)).record?.settings;
    const tunings: Tunings = { service: ofAll, version: own };
    const fault = contradiction(effective(manifest, tunings).values);
    if (fault !== undefined) {
      throw invalid(
        `${service} ${version} cannot be tuned so: ${fault}. Set both, or take the other one back by --reset.`,
      );
    }
  }
}

function invalid(message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason: "TUNING_INVALID" });
}
