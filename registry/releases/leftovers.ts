import { Review_State } from "#proto/rouse/registry/v1/releases.ts";
import type { ConsulClient } from "../consul.ts";
import { approvalKey, openReviewsPrefix, tagMovesPrefix } from "../keys.ts";
import { listKeyNames, type TransactionStep } from "../kv.ts";
import { closeSteps, readOpenReview } from "./reviews.ts";

/**
 * The steps that end what the release flow holds of a version that is removed: its approval and open reviews, and with the last version
 * the moves of the service's tags. What comes back under the same number begins anew.
 */
export async function releaseLeftovers(
  consul: ConsulClient,
  by: string,
  service: string,
  version: string,
  last: boolean,
): Promise<TransactionStep[]> {
  const prefix = openReviewsPrefix(service, version);
  const names = (await listKeyNames(consul, prefix)).map((name) => name.slice(prefix.length));
  const tags = names.map((name) => (name === "-" ? "" : name));
  const open = await Promise.all(tags.map((tag) => readOpenReview(consul, service, version, tag)));
  const ended = {
    state: Review_State.DENIED,
    decidedBy: by,
    decidedAtMs: Date.now(),
    decisionMessage: "The version was unregistered.",
  };
  return [
    { verb: "delete", key: approvalKey(service, version) },
    ...open.flatMap((one) => (one === undefined ? [] : closeSteps(one, { ...one.review, ...ended }))),
    ...(last ? [{ verb: "delete-tree", key: tagMovesPrefix(service) } as const] : []),
  ];
}
