import semver from "semver";
import { RouseError } from "../../sdk/errors.ts";
import { approvalShown, strictest } from "../approval.ts";
import { approvalKey, catalogKey } from "../keys.ts";
import { readKey } from "../kv.ts";
import { approvalSchema, type CatalogEntry, catalogEntrySchema } from "../records.ts";
import { parseValue, type ServiceRecord } from "../service-record.ts";
import { RELEASE } from "../spec.ts";
import type { WeightedVersion } from "../state.ts";
import { type Candidate, type GateContext, isGated, judge, promotionBreaks, readCandidate } from "./gate.ts";
import { hasNamed, readMoves } from "./tag-moves.ts";

/**
 * Lets a tag be set to versions without anybody's promotion: one that callers follow may name for the first time what breaks nobody and
 * needs no review, and again what it has named before.
 *
 * @throws RouseError FAILED_PRECONDITION PROMOTION_BREAKS, REVIEW_NEEDED or APPROVAL_PENDING, PERMISSION_DENIED APPROVAL_DENIED.
 */
export async function guardTag(
  context: GateContext,
  service: string,
  tag: string,
  versions: readonly WeightedVersion[],
  record: ServiceRecord,
): Promise<void> {
  if (!isGated(tag)) return;
  if (tag === RELEASE && versions.length === 0) await checkRemovable(context, service, record);
  const { moves } = await readMoves(context.consul, service, tag);
  for (const entry of await followed(context, service, tag, versions, record)) {
    await checkApproved(context, entry, tag);
    const { version } = entry.manifest;
    const known = record.tags[tag]?.some((named) => named.version === version) === true;
    if (known || hasNamed(moves, version, entry.deployment.registeredAtMs)) continue;
    const candidate = await readCandidate(context, service, version);
    if (candidate !== undefined) await checkCandidate(context, candidate, tag, record, false);
  }
}

/** As {@link guardTag}, for a version that is about to be registered with the tag. */
export async function guardCandidate(
  context: GateContext,
  candidate: Candidate,
  tag: string,
  record: ServiceRecord,
): Promise<void> {
  if (isGated(tag)) await checkCandidate(context, candidate, tag, record, true);
}

async function checkCandidate(
  context: GateContext,
  candidate: Candidate,
  tag: string,
  record: ServiceRecord,
  isNew: boolean,
): Promise<void> {
  const { manifest } = candidate;
  const verdict = await judge(context, candidate, tag, record.tags[tag] ?? []);
  if (verdict.breaking) throw promotionBreaks(manifest, tag, verdict, isNew);
  if (!verdict.needsReview) return;
  const { service, version } = manifest;
  const first = isNew ? "Register it without the tag, and ask" : "Ask";
  throw new RouseError(
    "FAILED_PRECONDITION",
    `The contract of ${service} asks for a review before the tag ${tag} names ${version}. ${first} for the review: rouse promote ${service} ${version} --to ${tag} --message TEXT`,
    { reason: "REVIEW_NEEDED", metadata: { service, version, tag } },
  );
}

/** Without the tag, calls would follow each new version without anybody's review. */
async function checkRemovable(context: GateContext, service: string, record: ServiceRecord): Promise<void> {
  const named = record.tags[RELEASE] ?? [];
  const entries = await Promise.all(named.map(({ version }) => readEntry(context, service, version)));
  if (strictest(entries.map((entry) => entry?.manifest.approval)) === undefined) return;
  throw new RouseError(
    "FAILED_PRECONDITION",
    `The contract of ${service} asks for a review of each move of the tag release, so that it cannot be taken away: calls would follow the highest stable version. Ask for a move: rouse promote ${service} VERSION --to release`,
    { reason: "REVIEW_NEEDED", metadata: { service, tag: RELEASE } },
  );
}

/** The versions that callers come to: without the tag "release" it is the highest stable one that may run. */
async function followed(
  context: GateContext,
  service: string,
  tag: string,
  versions: readonly WeightedVersion[],
  record: ServiceRecord,
): Promise<CatalogEntry[]> {
  if (versions.length > 0) {
    const named = versions.map(({ version }) => readEntry(context, service, version));
    // setTag says which versions there are.
    return (await Promise.all(named)).filter((entry) => entry !== undefined);
  }
  if (tag !== RELEASE) return [];
  const stable = record.versions.filter((version) => semver.prerelease(version) === null);
  for (const version of stable.sort(semver.rcompare)) {
    const entry = await readEntry(context, service, version);
    if (entry !== undefined && (await approvalOf(context, entry)).barred !== true) return [entry];
  }
  return [];
}

export async function readEntry(
  { consul }: Pick<GateContext, "consul">,
  service: string,
  version: string,
): Promise<CatalogEntry | undefined> {
  const item = await readKey(consul, catalogKey(service, version));
  return item === undefined ? undefined : parseValue(catalogEntrySchema, item);
}

/**
 * Makes sure that a version awaits no approval of its own.
 *
 * @throws RouseError FAILED_PRECONDITION APPROVAL_PENDING, PERMISSION_DENIED APPROVAL_DENIED.
 */
export async function checkApproved(
  context: Pick<GateContext, "consul">,
  entry: CatalogEntry,
  tag: string,
): Promise<void> {
  const { approval } = await approvalOf(context, entry);
  const { service, version } = entry.manifest;
  if (approval !== undefined) throw notApproved(service, version, tag, approval);
}

export async function approvalOf(
  { consul }: Pick<GateContext, "consul">,
  { manifest, approval }: CatalogEntry,
) {
  const item = await readKey(consul, approvalKey(manifest.service, manifest.version));
  return approvalShown(approval, item === undefined ? undefined : parseValue(approvalSchema, item));
}

/** A tag that callers follow cannot name what is not approved. */
export function notApproved(
  service: string,
  version: string,
  tag: string,
  approval: "pending" | "denied",
): RouseError {
  const metadata = { service, version, tag };
  if (approval === "denied") {
    return new RouseError(
      "PERMISSION_DENIED",
      `${service} ${version} was denied approval, so that the tag ${tag} cannot name it. "rouse reviews" says who denied it and why; to ask again: rouse promote ${service} ${version} --message TEXT`,
      { reason: "APPROVAL_DENIED", metadata },
    );
  }
  return new RouseError(
    "FAILED_PRECONDITION",
    `${service} ${version} awaits approval, so that the tag ${tag} cannot name it yet. Register it without the tag if it is new; "rouse reviews --open" shows who must approve what.`,
    { reason: "APPROVAL_PENDING", metadata },
  );
}
