import { randomBytes } from "node:crypto";
import { z } from "zod";
import {
  type Finding,
  Finding_Severity,
  type Review,
  Review_State,
} from "#proto/rouse/registry/v1/releases.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { ConsulClient } from "../consul.ts";
import { openReviewKey, REVIEWS_PREFIX, reviewKey, reviewsPrefix } from "../keys.ts";
import { type KvItem, listKeyNames, listKeys, readKey, type TransactionStep, transact } from "../kv.ts";
import { parseValue } from "../service-record.ts";

const findingSchema: z.ZodType<Finding> = z.object({
  severity: z.enum(Finding_Severity),
  rule: z.string(),
  message: z.string(),
  method: z.string(),
  calls: z.number(),
  callers: z.number(),
});

/** Value of rouse/reviews/<service>/<id>. */
const reviewSchema: z.ZodType<Review> = z.object({
  id: z.string(),
  service: z.string(),
  version: z.string(),
  tag: z.string(),
  state: z.enum(Review_State),
  askedBy: z.string(),
  askedAtMs: z.number(),
  message: z.string(),
  overrideReason: z.string(),
  decidedBy: z.string(),
  decidedAtMs: z.number(),
  decisionMessage: z.string(),
  findings: z.array(findingSchema),
  against: z.string(),
});

export interface StoredReview {
  readonly review: Review;
  readonly key: string;
  readonly index: number;
}

/** Findings that a review keeps; the gravest come first. */
const MOST_FINDINGS = 100;
/** Decided reviews of a service that are kept; older ones go when it has {@link SPARE} more. */
const MOST_REVIEWS = 500;
const SPARE = 32;
/** Most steps of a transaction are 128. */
const DELETED_AT_ONCE = 100;

/** What somebody asks for. */
export type Request = Pick<
  Review,
  "service" | "version" | "tag" | "askedBy" | "message" | "overrideReason" | "findings" | "against"
>;

/** A review that is open. */
export function newReview(request: Request, nowMs: number): Review {
  return {
    ...request,
    findings: request.findings.slice(0, MOST_FINDINGS),
    // Ids sort by time.
    id: `${nowMs.toString(36)}-${randomBytes(2).toString("hex")}`,
    state: Review_State.OPEN,
    askedAtMs: nowMs,
    decidedBy: "",
    decidedAtMs: 0,
    decisionMessage: "",
  };
}

/** The steps that open a review, and make sure that it is the only one of its kind. */
export function openSteps(review: Review): TransactionStep[] {
  const { service, version, tag, id } = review;
  return [
    { verb: "cas", key: reviewKey(service, id), index: 0, value: JSON.stringify(review) },
    { verb: "cas", key: openReviewKey(service, version, tag), index: 0, value: id },
  ];
}

/** The step that keeps a move for which nobody had to be asked. */
export function keepStep(review: Review): TransactionStep {
  return { verb: "cas", key: reviewKey(review.service, review.id), index: 0, value: JSON.stringify(review) };
}

/** The steps that write a decision over the review as it was read. */
export function closeSteps({ key, index }: StoredReview, decided: Review): TransactionStep[] {
  const { service, version, tag } = decided;
  return [
    { verb: "cas", key, index, value: JSON.stringify(decided) },
    { verb: "delete", key: openReviewKey(service, version, tag) },
  ];
}

/** A review by its id; undefined when there is none. */
export async function readReview(consul: ConsulClient, id: string): Promise<StoredReview | undefined> {
  if (!/^[0-9a-z]{6,12}-[0-9a-f]{4}$/.test(id)) return undefined;
  const names = await listKeyNames(consul, REVIEWS_PREFIX);
  const key = names.find((name) => name.endsWith(`/${id}`));
  const item = key === undefined ? undefined : await readKey(consul, key);
  return item === undefined ? undefined : stored(item);
}

/** The open review of a move, or (tag "") of a version; undefined when there is none. */
export async function readOpenReview(
  consul: ConsulClient,
  service: string,
  version: string,
  tag: string,
): Promise<StoredReview | undefined> {
  const open = await readKey(consul, openReviewKey(service, version, tag));
  if (open === undefined) return undefined;
  const id = Buffer.from(open.Value ?? "", "base64").toString();
  const item = await readKey(consul, reviewKey(service, id));
  return item === undefined ? undefined : stored(item);
}

/** All reviews, of one service when it is given; newest first. */
export async function listReviews(consul: ConsulClient, service: string): Promise<Review[]> {
  const items = await listKeys(consul, service === "" ? REVIEWS_PREFIX : reviewsPrefix(service));
  return items
    .map((item) => parseValue(reviewSchema, item))
    .sort((a, b) => b.askedAtMs - a.askedAtMs || (a.id < b.id ? 1 : -1));
}

/** Deletes the oldest decided reviews of a service above the bound. */
export async function trimReviews(consul: ConsulClient, service: string): Promise<void> {
  const names = await listKeyNames(consul, reviewsPrefix(service));
  if (names.length <= MOST_REVIEWS + SPARE) return;
  const decided = (await listReviews(consul, service)).filter(({ state }) => state !== Review_State.OPEN);
  const old = decided.slice(MOST_REVIEWS).map(({ id }) => reviewKey(service, id));
  for (let at = 0; at < old.length; at += DELETED_AT_ONCE) {
    const keys = old.slice(at, at + DELETED_AT_ONCE);
    await transact(
      consul,
      keys.map((key) => ({ verb: "delete", key })),
    );
  }
}

function stored(item: KvItem): StoredReview {
  return { review: parseValue(reviewSchema, item), key: item.Key, index: item.ModifyIndex };
}

/** Longest message of a person that is kept, in characters. */
const MAX_MESSAGE = 4_000;

/**
 * A person's words as they are kept.
 *
 * @param needed - What they are for, when there must be some: "A decision".
 * @throws RouseError INVALID_ARGUMENT MESSAGE_INVALID.
 */
export function checkMessage(text: string, needed?: string): string {
  const kept = text.trim();
  if (kept === "" && needed !== undefined) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `${needed} needs a reason that is kept. Say why, in a sentence.`,
      {
        reason: "MESSAGE_INVALID",
      },
    );
  }
  if (kept.length <= MAX_MESSAGE) return kept;
  throw new RouseError(
    "INVALID_ARGUMENT",
    `The message has ${kept.length} characters; at most ${MAX_MESSAGE} are kept. Shorten it, or link to the rest.`,
    { reason: "MESSAGE_INVALID" },
  );
}
