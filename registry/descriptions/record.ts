import { z } from "zod";
import type { About } from "#proto/rouse/catalog/v1/catalog.ts";
import { ADMINISTRATOR } from "../access.ts";
import type { ConsulClient } from "../consul.ts";
import { ABOUT_PREFIX, aboutKey, catalogKey, parseVersionKey } from "../keys.ts";
import { type KvItem, listKeys, readKey, type TransactionStep, transact } from "../kv.ts";
import { catalogEntrySchema } from "../records.ts";
import { contended } from "../register-version.ts";
import { parseValue, unchanged } from "../service-record.ts";
import type { VersionManifest } from "../state.ts";
import { aboutSchema, mergeAbout } from "./about.ts";

export const sourceSchema = z.object({
  repository: z.string(),
  ref: z.string(),
  commit: z.string(),
  build: z.string(),
});

/** Value of rouse/about/<service>/<version>; fields that a newer Rouse adds survive a change by this one. */
export const aboutRecordSchema = z.looseObject({
  /** It counts up from 1; former ones are at rouse/revisions/<service>/<version>/<revision>. */
  revision: z.number().int().min(1),
  about: aboutSchema,
  /** Who wrote this revision, and when: provider id or "administrator". */
  by: z.string(),
  atMs: z.number(),
  registeredBy: z.string(),
  /** Where the code came from, when that is known. */
  source: sourceSchema.exactOptional(),
  /** Why callers should go elsewhere; empty: they need not. */
  deprecated: z.string(),
  /** Empty: none is needed. */
  approval: z.enum(["", "pending", "approved", "denied"]),
  /** Set once the version was taken out of the catalog; it may come back. */
  withdrawn: z.object({ by: z.string(), atMs: z.number() }).exactOptional(),
});

/** What the catalog says of a version beside its manifest. */
export type AboutRecord = z.infer<typeof aboutRecordSchema>;

interface WithConsul {
  readonly consul: ConsulClient;
}

const MOST_TRIES = 32;

/**
 * What the catalog says of a version beside its manifest.
 *
 * @returns undefined when the version never existed; a withdrawn one keeps its record, with `withdrawn`.
 */
export async function readAbout(
  { consul }: WithConsul,
  service: string,
  version: string,
): Promise<AboutRecord | undefined> {
  return (await readIndexed(consul, service, version))?.record;
}

/** All records that are written down, by "service/version"; versions of before there were records are left out. */
export async function readAllAbouts({ consul }: WithConsul): Promise<Map<string, AboutRecord>> {
  const items = await listKeys(consul, ABOUT_PREFIX);
  return new Map(
    items
      .filter((item) => parseVersionKey(ABOUT_PREFIX, item.Key) !== undefined)
      .map((item) => [item.Key.slice(ABOUT_PREFIX.length), parseValue(aboutRecordSchema, item)]),
  );
}

/**
 * Changes the record of a version by check-and-set.
 *
 * @param change - Gets the record as it is; what it throws ends the attempt. It may be called again after a lost race.
 * @param also - More steps of the same transaction, made from the record before and after.
 * @returns the record as it is now; undefined when there is no such version (any more).
 * @throws RouseError ABORTED CATALOG_CONTENDED, RESOURCE_EXHAUSTED ENTRY_TOO_LARGE.
 */
export async function changeAbout(
  { consul }: WithConsul,
  service: string,
  version: string,
  change: (record: AboutRecord) => AboutRecord,
  also: (before: AboutRecord, after: AboutRecord) => readonly TransactionStep[] = () => [],
): Promise<AboutRecord | undefined> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const read = await readIndexed(consul, service, version);
    if (read === undefined || read.record.withdrawn !== undefined) return undefined;
    const after = change(read.record);
    if (after === read.record) return after;
    const steps = [aboutStep(service, version, after, read.index), ...also(read.record, after)];
    if (await transact(consul, steps)) return after;
  }
  throw contended(service);
}

/** The step that writes a record over the one with that ModifyIndex; 0: there is none. */
export function aboutStep(
  service: string,
  version: string,
  record: AboutRecord,
  index: number,
): TransactionStep {
  return { verb: "cas", key: aboutKey(service, version), index, value: JSON.stringify(record) };
}

/** Reads a record with its ModifyIndex; a version without one gets what its manifest says, at index 0. */
export async function readIndexed(
  consul: ConsulClient,
  service: string,
  version: string,
): Promise<{ record: AboutRecord; index: number } | undefined> {
  const item = await readKey(consul, aboutKey(service, version));
  if (item !== undefined) return { record: parseRecord(item), index: item.ModifyIndex };
  const entry = await readKey(consul, catalogKey(service, version));
  if (entry === undefined) return undefined;
  const { manifest, deployment } = parseValue(catalogEntrySchema, entry);
  const about = aboutOfManifest(manifest);
  return { record: firstRecord(about, ADMINISTRATOR, deployment.registeredAtMs), index: 0 };
}

/** The condition that a record is as it was read. */
export function aboutUnchanged(service: string, version: string, index: number): TransactionStep {
  return unchanged(aboutKey(service, version), index);
}

export function firstRecord(about: About, by: string, atMs: number): AboutRecord {
  return { revision: 1, about, by, atMs, registeredBy: by, deprecated: "", approval: "" };
}

/** The description that a contract gives. */
export function aboutOfManifest(manifest: VersionManifest): About {
  const { summary, description, about } = manifest;
  return mergeAbout({ ...about, summary, description }, {});
}

function parseRecord(item: KvItem): AboutRecord {
  return parseValue(aboutRecordSchema, item);
}
