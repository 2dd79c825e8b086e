import { z } from "zod";
import { RouseError } from "../../sdk/errors.ts";
import type { Caller } from "../access.ts";
import type { ConsulClient } from "../consul.ts";
import { providerKey, REVIEWERS_KEY } from "../keys.ts";
import { readKey, transact } from "../kv.ts";
import { contended } from "../register-version.ts";
import { parseValue } from "../service-record.ts";

/** Value of rouse/reviewers: provider ids. */
const reviewersSchema = z.array(z.string());

const MOST_TRIES = 16;

/** The providers that decide reviews, beside the administrator; sorted. */
export async function listReviewers(consul: ConsulClient): Promise<string[]> {
  const item = await readKey(consul, REVIEWERS_KEY);
  return item === undefined ? [] : parseValue(reviewersSchema, item);
}

/**
 * Makes a provider a reviewer, or takes that back.
 *
 * @throws RouseError PERMISSION_DENIED ADMINISTRATOR_ONLY, NOT_FOUND PROVIDER_UNKNOWN.
 */
export async function setReviewer(
  consul: ConsulClient,
  caller: Caller,
  provider: string,
  reviews: boolean,
): Promise<string[]> {
  if (!caller.administrator) {
    throw new RouseError(
      "PERMISSION_DENIED",
      `Only the administrator says who reviews; your key is ${caller.id}'s. Ask them.`,
      { reason: "ADMINISTRATOR_ONLY" },
    );
  }
  const known = /^[a-z0-9-]{1,64}$/.test(provider) && (await readKey(consul, providerKey(provider)));
  if (reviews && !known) {
    throw new RouseError(
      "NOT_FOUND",
      `There is no provider ${JSON.stringify(provider.slice(0, 60))} who could review. "rouse provider list" shows all; "rouse provider create" makes one.`,
      { reason: "PROVIDER_UNKNOWN" },
    );
  }
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const item = await readKey(consul, REVIEWERS_KEY);
    const now = item === undefined ? [] : parseValue(reviewersSchema, item);
    const others = now.filter((id) => id !== provider);
    const next = reviews ? [...others, provider].sort() : others;
    const step = { verb: "cas", key: REVIEWERS_KEY, index: item?.ModifyIndex ?? 0 } as const;
    if (await transact(consul, [{ ...step, value: JSON.stringify(next) }])) return next;
  }
  throw contended("The list of reviewers");
}

/**
 * Makes sure that somebody may decide a review.
 *
 * @param askedBy - Who asked for it.
 * @throws RouseError PERMISSION_DENIED OWN_REVIEW or NOT_A_REVIEWER.
 */
export async function mayDecide(consul: ConsulClient, caller: Caller, askedBy: string): Promise<void> {
  if (caller.administrator) return;
  const reviewers = await listReviewers(consul);
  const others = ["the administrator", ...reviewers.filter((id) => id !== askedBy)];
  if (caller.id === askedBy) {
    throw new RouseError(
      "PERMISSION_DENIED",
      `${caller.id} asked for this review itself and cannot decide it. Those who can: ${others.join(", ")}.`,
      { reason: "OWN_REVIEW" },
    );
  }
  if (reviewers.includes(caller.id)) return;
  throw new RouseError(
    "PERMISSION_DENIED",
    `${caller.id} is no reviewer. Those who can decide: ${others.join(", ")}. The administrator makes reviewers: rouse reviewers add ${caller.id}`,
    { reason: "NOT_A_REVIEWER" },
  );
}
