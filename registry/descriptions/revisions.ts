import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { About } from "#proto/rouse/catalog/v1/catalog.ts";
import type { Revision } from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Caller } from "../access.ts";
import type { ConsulClient } from "../consul.ts";
import { historyStep, trimHistory } from "../history/index.ts";
import { revisionsPrefix } from "../keys.ts";
import { listKeys, type TransactionStep } from "../kv.ts";
import type { CatalogEntry } from "../records.ts";
import type { Registration } from "../registration.ts";
import { parseValue } from "../service-record.ts";
import { ABOUT_FIELDS, aboutSchema } from "./about.ts";
import { checkAbout } from "./check.ts";
import { type AboutRecord, aboutStep, changeAbout, firstRecord, readIndexed } from "./record.ts";

interface WithConsul {
  readonly consul: ConsulClient;
}

/** Value of rouse/revisions/<service>/<version>/<revision>: one that another has followed. */
const revisionSchema = z.object({
  revision: z.number(),
  atMs: z.number(),
  by: z.string(),
  about: aboutSchema,
});

/**
 * Replaces the description of a version; the former one is kept.
 *
 * @param seen - Revision that the caller has seen.
 * @returns the new revision; the present one when it says the very same.
 * @throws RouseError INVALID_ARGUMENT ABOUT_INVALID, ABORTED DESCRIPTION_CONFLICT when somebody was faster; undefined when the
 *   version never existed.
 */
export async function updateDescription(
  context: WithConsul,
  caller: Caller,
  { service, version, revision: seen, about }: DescriptionUpdate,
  nowMs: number,
): Promise<number | undefined> {
  const wanted = checkAbout(about);
  const after = await changeAbout(
    context,
    service,
    version,
    (record) => {
      if (isDeepStrictEqual(record.about, wanted)) return record;
      if (record.revision !== seen) throw conflict(service, version, seen, record, wanted);
      return { ...record, revision: record.revision + 1, about: wanted, by: caller.id, atMs: nowMs };
    },
    (before, { revision }) => [
      keepStep(service, version, before),
      historyStep(
        {
          service,
          version,
          by: caller.id,
          what: "updated",
          revision,
          detail: `description: ${differing(before.about, wanted).join(", ")}`,
        },
        nowMs,
      ),
    ],
  );
  await trimHistory(context.consul, service);
  return after?.revision;
}

export interface DescriptionUpdate {
  readonly service: string;
  readonly version: string;
  /** Revision that the caller has seen. */
  readonly revision: number;
  readonly about: About;
}

/** All revisions of a version's description, newest first; undefined when the version never existed. */
export async function listRevisions(
  { consul }: WithConsul,
  service: string,
  version: string,
): Promise<Revision[] | undefined> {
  const [read, former] = await Promise.all([
    readIndexed(consul, service, version),
    listKeys(consul, revisionsPrefix(service, version)),
  ]);
  if (read === undefined) return undefined;
  const { revision, by, atMs, about } = read.record;
  const older = former
    .map((item) => parseValue(revisionSchema, item))
    // One that came in between is not of the record that was read.
    .filter((one) => one.revision < revision)
    .sort((a, b) => b.revision - a.revision);
  return [{ revision, by, atMs, about }, ...older];
}

/** The steps that write a new version's first description; one that was withdrawn goes on counting. */
export async function firstSteps(
  consul: ConsulClient,
  { manifest, deployment, about, source }: Registration,
  by: string,
  approval: CatalogEntry["approval"],
): Promise<{ revision: number; steps: TransactionStep[] }> {
  const { service, version } = manifest;
  const former = await readIndexed(consul, service, version);
  const first = firstRecord(about, by, deployment.registeredAtMs);
  const revision = (former?.record.revision ?? 0) + 1;
  const awaits = approval === undefined ? {} : { approval: "pending" as const };
  const record = { ...first, revision, ...awaits, ...(source === undefined ? {} : { source }) };
  const steps = [aboutStep(service, version, record, former?.index ?? 0)];
  if (former !== undefined) steps.push(keepStep(service, version, former.record));
  return { revision, steps };
}

function keepStep(
  service: string,
  version: string,
  { revision, by, atMs, about }: AboutRecord,
): TransactionStep {
  const key = `${revisionsPrefix(service, version)}${String(revision).padStart(9, "0")}`;
  return { verb: "cas", key, index: 0, value: JSON.stringify({ revision, by, atMs, about }) };
}

function differing(before: About, after: About): (keyof About)[] {
  return ABOUT_FIELDS.filter((name) => !isDeepStrictEqual(before[name], after[name]));
}

/** Most characters of each side of a field, and most fields, that an error shows: it travels in a header. */
const SHOWN = 160;
const MOST_SHOWN = 8;

/** Both sides, field by field. */
function conflict(
  service: string,
  version: string,
  seen: number,
  { revision, by, atMs, about: theirs }: AboutRecord,
  yours: About,
): RouseError {
  const fields = differing(theirs, yours);
  const sides = fields
    .slice(0, MOST_SHOWN)
    .map((name) => `${name}: yours ${shown(yours[name])}, theirs ${shown(theirs[name])}`);
  const more = fields.length > MOST_SHOWN ? `; and ${fields.slice(MOST_SHOWN).join(", ")}` : "";
  const at = new Date(atMs).toISOString();
  const who =
    revision > seen
      ? `${by} changed the description of ${service} ${version} meanwhile (revision ${revision}, ${at}); you have seen revision ${seen}`
      : `The description of ${service} ${version} has no revision ${seen}: the latest is ${revision}, by ${by} (${at})`;
  return new RouseError(
    "ABORTED",
    `${who}. ${sides.join("; ")}${more}. Read the latest, put your changes into it and send it again with revision ${revision}.`,
    {
      reason: "DESCRIPTION_CONFLICT",
      metadata: { service, version, revision: String(revision), by, at, fields: fields.join(",") },
    },
  );
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
