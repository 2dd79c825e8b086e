import {
  type CheckPromotionRequest,
  type CheckPromotionResponse,
  type PromoteRequest,
  type PromoteResponse,
  type Review,
  Review_State,
} from "#proto/rouse/registry/v1/releases.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Caller } from "../access.ts";
import { aboutStep, readIndexed } from "../descriptions/record.ts";
import { historyStep } from "../history/index.ts";
import { approvalKey } from "../keys.ts";
import { type TransactionStep, transact } from "../kv.ts";
import { contended } from "../register-version.ts";
import { readService } from "../service-record.ts";
import { setTag } from "../set-tag.ts";
import { unknownVersion } from "../spec.ts";
import { checkTagName } from "../tag-name.ts";
import { type GateContext, isGated, judge, promotionBreaks, readCandidate, type Verdict } from "./gate.ts";
import {
  checkMessage,
  keepStep,
  newReview,
  openSteps,
  type Request,
  readOpenReview,
  trimReviews,
} from "./reviews.ts";
import { approvalOf, checkApproved, readEntry } from "./tag-guard.ts";

const MOST_TRIES = 16;

/** What promoting would change for callers. @throws RouseError as {@link judge}; NOT_FOUND VERSION_UNKNOWN; TAG_INVALID. */
export async function checkPromotion(
  context: GateContext,
  { service, version, tag }: CheckPromotionRequest,
): Promise<CheckPromotionResponse> {
  checkTagName(tag);
  const { against, findings, breaking, needsReview } = await verdictOf(context, service, version, tag);
  return { against: against.join(", "), findings: [...findings], breaking, needsReview };
}

/**
 * Moves a tag to a version, or asks for it.
 *
 * @throws RouseError FAILED_PRECONDITION PROMOTION_BREAKS or APPROVAL_PENDING, PERMISSION_DENIED APPROVAL_DENIED, ALREADY_EXISTS
 *   REVIEW_OPEN, NOT_FOUND VERSION_UNKNOWN, ABORTED TAG_CHANGED; INVALID_ARGUMENT TAG_INVALID or MESSAGE_INVALID.
 */
export async function promote(
  context: GateContext,
  caller: Caller,
  request: PromoteRequest,
): Promise<PromoteResponse> {
  const { service, version, tag } = request;
  const message = checkMessage(request.message);
  const overrideReason = checkMessage(request.overrideReason);
  if (tag === "") return askForApproval(context, caller, { service, version, message });
  checkTagName(tag);
  const entry = await readEntry(context, service, version);
  if (entry === undefined) throw await noVersion(context, service, version);
  const asked = { service, version, tag, askedBy: caller.id, message, overrideReason };
  if (!isGated(tag)) {
    await move(context, asked, async () => []);
    return { done: true, review: undefined };
  }
  await checkApproved(context, entry, tag);
  const verdict = await verdictOf(context, service, version, tag);
  const breaks = verdict.breaking && !verdict.named;
  if (breaks && overrideReason === "") throw promotionBreaks(entry.manifest, tag, verdict);
  const against = verdict.against.join(", ");
  const review = newReview({ ...asked, findings: [...verdict.findings], against }, Date.now());
  if (verdict.needsReview && !verdict.named) return { done: false, review: await ask(context, review) };
  const kept: Review = {
    ...review,
    state: Review_State.APPROVED,
    decidedBy: caller.id,
    decidedAtMs: review.askedAtMs,
    decisionMessage: "No review was needed.",
  };
  await move(context, asked, async (tags) => {
    // What the gate compared with is what the tag still names: setTag makes sure of it from here on.
    checkStill(service, tag, verdict.shares, tags);
    return [keepStep(kept)];
  });
  await trimReviews(context.consul, service);
  return { done: true, review: kept };
}

interface PlacedVerdict extends Verdict {
  /** What the tag named when it was judged, as JSON. */
  readonly shares: string;
  /** The tag names the version already, if for a part of the calls only: it has passed the gate. */
  readonly named: boolean;
}

async function verdictOf(
  context: GateContext,
  service: string,
  version: string,
  tag: string,
): Promise<PlacedVerdict> {
  const { tags } = await readService(context.consul, service);
  const now = tags[tag] ?? [];
  const candidate = await readCandidate(context, service, version);
  if (candidate === undefined) throw await noVersion(context, service, version);
  return {
    ...(await judge(context, candidate, tag, now)),
    shares: JSON.stringify(now),
    named: now.some((entry) => entry.version === version),
  };
}

function checkStill(service: string, tag: string, judged: string, now: unknown): void {
  if (JSON.stringify(now) === judged) return;
  throw new RouseError(
    "ABORTED",
    `Somebody else changed the tag ${tag} of ${service} in this moment. Look at it and decide again.`,
    { reason: "TAG_CHANGED", metadata: { service, tag } },
  );
}

type Asked = Pick<Request, "service" | "version" | "tag" | "askedBy" | "message" | "overrideReason">;

async function move(
  { consul }: GateContext,
  { service, version, tag, askedBy, message, overrideReason }: Asked,
  also: (now: readonly object[]) => Promise<readonly TransactionStep[]>,
): Promise<void> {
  const detail = detailOf(message, overrideReason);
  await setTag(consul, service, tag, [{ version, weight: 1 }], askedBy, async (record) => [
    ...(await also(record.tags[tag] ?? [])),
    historyStep({ service, by: askedBy, what: "promoted", version, tag, detail }),
  ]);
}

/** What the history keeps of a promotion's reasons. */
export function detailOf(message: string, overrideReason: string): string {
  const overridden = overrideReason === "" ? [] : [`although it breaks callers: ${overrideReason}`];
  return [...(message === "" ? [] : [message]), ...overridden].join("; ");
}

/** Opens a review; one that is open already is brought up to date when the tag has moved since. */
async function ask(
  { consul }: GateContext,
  review: Review,
  also: () => Promise<readonly TransactionStep[]> = async () => [],
): Promise<Review> {
  const { service, version, tag, askedBy } = review;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const open = await readOpenReview(consul, service, version, tag);
    const detail = detailOf(review.message, review.overrideReason);
    const what = tag === "" ? "asked for approval" : "asked for a review";
    const history = historyStep({ service, by: askedBy, what, version, tag, detail });
    if (open === undefined) {
      if (await transact(consul, [...openSteps(review), history, ...(await also())])) return review;
      continue;
    }
    if (open.review.against === review.against) {
      throw new RouseError(
        "ALREADY_EXISTS",
        `${open.review.askedBy} has asked for this already: review ${open.review.id} is open. A reviewer decides it by "rouse approve ${open.review.id} --message TEXT" or "rouse deny".`,
        { reason: "REVIEW_OPEN", metadata: { service, version, tag, review: open.review.id } },
      );
    }
    const renewed = { ...review, id: open.review.id };
    const step = { verb: "cas", key: open.key, index: open.index, value: JSON.stringify(renewed) } as const;
    if (await transact(consul, [step, history])) return renewed;
  }
  throw contended(service);
}

/** Asks anew for the approval of a version that was denied it. */
async function askForApproval(
  context: GateContext,
  caller: Caller,
  { service, version, message }: Pick<Request, "service" | "version" | "message">,
): Promise<PromoteResponse> {
  const { consul } = context;
  const entry = await readEntry(context, service, version);
  if (entry === undefined) throw await noVersion(context, service, version);
  const { approval } = await approvalOf(context, entry);
  if (approval === undefined) {
    throw new RouseError(
      "FAILED_PRECONDITION",
      `${service} ${version} awaits no approval. Name the tag that it shall have: rouse promote ${service} ${version} --to release`,
      { reason: "APPROVAL_NOT_NEEDED", metadata: { service, version } },
    );
  }
  const request = { service, version, tag: "", askedBy: caller.id, message };
  const review = newReview({ ...request, overrideReason: "", findings: [], against: "" }, Date.now());
  const asked = await ask(context, review, async () => {
    const about = await readIndexed(consul, service, version);
    return [
      { verb: "set", key: approvalKey(service, version), value: '{"state":"pending"}' },
      ...(about === undefined
        ? []
        : [aboutStep(service, version, { ...about.record, approval: "pending" }, about.index)]),
    ];
  });
  return { done: false, review: asked };
}

async function noVersion({ consul }: GateContext, service: string, version: string): Promise<RouseError> {
  return unknownVersion({ service, ...(await readService(consul, service)) }, version);
}
