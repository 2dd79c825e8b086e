import semver from "semver";
import { strictest } from "../approval.ts";
import { approvalKey } from "../keys.ts";
import type { TransactionStep } from "../kv.ts";
import type { CatalogEntry } from "../records.ts";
import type { Registration } from "../registration.ts";
import type { ServiceRecord } from "../service-record.ts";
import { RELEASE } from "../spec.ts";
import { type GateContext, isGated } from "./gate.ts";
import { newReview, openSteps } from "./reviews.ts";
import { guardCandidate, notApproved, readEntry } from "./tag-guard.ts";
import { moveSteps } from "./tag-moves.ts";

/** What the release flow adds to a registration. */
export interface ReleaseSteps {
  /** What the version must be approved for; undefined: nothing. */
  readonly approval: CatalogEntry["approval"];
  /** Moves of its tags, and the review that it opens. */
  readonly steps: readonly TransactionStep[];
}

/**
 * The steps for a version that is new: its tags pass the gate, and where approval is needed somebody is asked for it.
 *
 * @throws RouseError as guardTag: nothing is registered then.
 */
export async function releaseSteps(
  context: GateContext,
  by: string,
  { manifest, descriptorSet, tags, deployment }: Registration,
  record: ServiceRecord,
): Promise<ReleaseSteps> {
  const { service, version } = manifest;
  const approval = await neededApproval(context, manifest, record);
  for (const tag of tags) {
    if (approval !== undefined && isGated(tag)) throw notApproved(service, version, tag, "pending");
    await guardCandidate(context, { manifest, descriptorSet }, tag, record);
  }
  const { registeredAtMs } = deployment;
  const steps = await registrationMoves(context, by, { manifest, tags }, record, registeredAtMs);
  if (approval === undefined) return { approval, steps };
  const request = { service, version, tag: "", askedBy: by, overrideReason: "", findings: [], against: "" };
  const review = newReview({ ...request, message: `It shall be approved for ${approval}.` }, registeredAtMs);
  const pending = { verb: "set", key: approvalKey(service, version), value: '{"state":"pending"}' } as const;
  return { approval, steps: [...steps, pending, ...openSteps(review)] };
}

/** The steps that point tags at a version that is registered; none when there are no tags. */
export async function registrationMoves(
  { consul }: GateContext,
  by: string,
  { manifest, tags }: Pick<Registration, "manifest" | "tags">,
  record: ServiceRecord,
  nowMs: number,
): Promise<TransactionStep[]> {
  if (tags.length === 0) return [];
  const { service, version } = manifest;
  const moved = Object.fromEntries(tags.map((tag) => [tag, [{ version, weight: 1 }]]));
  return moveSteps(consul, service, record, moved, by, nowMs);
}

/** A new version's contract cannot take back by itself what that of the version which callers come to asks for. */
async function neededApproval(
  context: GateContext,
  { service, approval }: Registration["manifest"],
  record: ServiceRecord,
): Promise<CatalogEntry["approval"]> {
  const followed = record.tags[RELEASE]?.map(({ version }) => version) ?? [
    semver.maxSatisfying([...record.versions], "*") ?? "",
  ];
  const released = await Promise.all(followed.map((version) => readEntry(context, service, version)));
  const level = strictest([approval, ...released.map((entry) => entry?.manifest.approval)]);
  return level === "release" ? undefined : level;
}
