import { type DecideReviewRequest, type Review, Review_State } from "#proto/rouse/registry/v1/releases.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Caller } from "../access.ts";
import { aboutStep, readIndexed } from "../descriptions/record.ts";
import { historyStep } from "../history/index.ts";
import { approvalKey, catalogKey } from "../keys.ts";
import { readKey, type TransactionStep, transact } from "../kv.ts";
import { contended } from "../register-version.ts";
import { unchanged } from "../service-record.ts";
import { setTag } from "../set-tag.ts";
import type { GateContext } from "./gate.ts";
import { detailOf } from "./promote.ts";
import { mayDecide } from "./reviewers.ts";
import { checkMessage, closeSteps, readReview, type StoredReview, trimReviews } from "./reviews.ts";
import { checkApproved, readEntry } from "./tag-guard.ts";

const MOST_TRIES = 16;

/**
 * Approves or denies a review. What was asked for happens in the same transaction.
 *
 * @throws RouseError NOT_FOUND REVIEW_UNKNOWN, PERMISSION_DENIED OWN_REVIEW or NOT_A_REVIEWER, INVALID_ARGUMENT MESSAGE_INVALID, ABORTED
 *   REVIEW_DECIDED when somebody was faster, FAILED_PRECONDITION REVIEW_OUTDATED when the tag has moved since.
 */
export async function decideReview(
  context: GateContext,
  caller: Caller,
  request: DecideReviewRequest,
): Promise<Review> {
  const message = checkMessage(request.message, "A decision");
  const first = await openReview(context, request.id);
  await mayDecide(context.consul, caller, first.review.askedBy);
  const decision = { caller, approve: request.approve, message };
  const decided =
    first.review.tag !== "" && request.approve
      ? await approveMove(context, first.review, decision)
      : await decide(context, first.review, decision);
  await trimReviews(context.consul, decided.service);
  return decided;
}

interface Decision {
  readonly caller: Caller;
  readonly approve: boolean;
  readonly message: string;
}

async function openReview({ consul }: GateContext, id: string): Promise<StoredReview> {
  const found = await readReview(consul, id);
  if (found === undefined) {
    throw new RouseError(
      "NOT_FOUND",
      `There is no review ${JSON.stringify(id.slice(0, 40))}. "rouse reviews --open" lists those that can be decided.`,
      { reason: "REVIEW_UNKNOWN" },
    );
  }
  const { review } = found;
  if (review.state === Review_State.OPEN) return found;
  const how = review.state === Review_State.APPROVED ? "approved" : "denied";
  throw new RouseError(
    "ABORTED",
    `${review.decidedBy} has ${how} review ${id} at ${new Date(review.decidedAtMs).toISOString()}: ${review.decisionMessage}`,
    { reason: "REVIEW_DECIDED", metadata: { review: id, by: review.decidedBy, decision: how } },
  );
}

function decidedBy({ caller, approve, message }: Decision, review: Review): Review {
  return {
    ...review,
    state: approve ? Review_State.APPROVED : Review_State.DENIED,
    decidedBy: caller.id,
    decidedAtMs: Date.now(),
    decisionMessage: message,
  };
}

function happened(
  { caller, approve, message }: Decision,
  { service, version, tag }: Review,
): TransactionStep {
  const what = approve ? "approved" : "denied";
  return historyStep({ service, by: caller.id, what, version, tag, detail: message });
}

/** Moves the tag, together with the decision. */
async function approveMove(
  context: GateContext,
  { id, service, version, tag, against }: Review,
  decision: Decision,
): Promise<Review> {
  const entry = await readEntry(context, service, version);
  if (entry !== undefined) await checkApproved(context, entry, tag);
  let decided: Review | undefined;
  await setTag(context.consul, service, tag, [{ version, weight: 1 }], decision.caller.id, async (record) => {
    // Read again for each try: somebody else may decide meanwhile.
    const open = await openReview(context, id);
    const now = (record.tags[tag] ?? []).map((named) => named.version).filter((named) => named !== version);
    const known = now.filter((named) => record.versions.includes(named)).join(", ");
    if (known !== open.review.against) throw outdated(open.review, known);
    decided = decidedBy(decision, open.review);
    const detail = detailOf(open.review.message, open.review.overrideReason);
    const promoted = { service, by: open.review.askedBy, what: "promoted", version, tag, detail };
    return [...closeSteps(open, decided), happened(decision, decided), historyStep(promoted)];
  });
  if (decided !== undefined) return decided;
  throw contended(`${service} (${against})`);
}

function outdated({ id, service, version, tag, against }: Review, now: string): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `The tag ${tag} of ${service} names ${now || "nothing"} now, and named ${against || "nothing"} when review ${id} was asked for: what it says of callers may not hold. Ask again, which brings it up to date: rouse promote ${service} ${version} --to ${tag}`,
    { reason: "REVIEW_OUTDATED", metadata: { review: id, service, version, tag } },
  );
}

/** Denies a move, or decides whether a version may be listed or run. */
async function decide(context: GateContext, { id }: Review, decision: Decision): Promise<Review> {
  const { consul } = context;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const open = await openReview(context, id);
    const decided = decidedBy(decision, open.review);
    const steps = [...closeSteps(open, decided), happened(decision, decided)];
    if (decided.tag === "") steps.push(...(await approvalSteps(context, decided, decision.approve)));
    if (await transact(consul, steps)) return decided;
  }
  throw contended(`Review ${id}`);
}

async function approvalSteps(
  { consul }: GateContext,
  { service, version }: Review,
  approve: boolean,
): Promise<TransactionStep[]> {
  const key = catalogKey(service, version);
  const entry = await readKey(consul, key);
  // A version that is gone can only be denied: when it comes back, it is asked for anew.
  if (entry === undefined) return [];
  const state = approve ? "approved" : "denied";
  const about = await readIndexed(consul, service, version);
  return [
    unchanged(key, entry.ModifyIndex),
    { verb: "set", key: approvalKey(service, version), value: JSON.stringify({ state }) },
    ...(about === undefined
      ? []
      : [aboutStep(service, version, { ...about.record, approval: state }, about.index)]),
  ];
}
