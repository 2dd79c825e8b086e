import type { RollbackRequest, RollbackResponse } from "#proto/rouse/registry/v1/releases.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Caller } from "../access.ts";
import { historyStep } from "../history/index.ts";
import { readService } from "../service-record.ts";
import { setTag } from "../set-tag.ts";
import type { WeightedVersion } from "../state.ts";
import { checkTagName } from "../tag-name.ts";
import { type GateContext, isGated } from "./gate.ts";
import { checkMessage } from "./reviews.ts";
import { checkApproved, readEntry } from "./tag-guard.ts";
import { readMoves, sharesOf } from "./tag-moves.ts";

/**
 * Points a tag to what it named before its latest change. That is a change itself: the next rollback undoes it.
 *
 * @throws RouseError FAILED_PRECONDITION ROLLBACK_IMPOSSIBLE when nothing is known of before, or it is not registered any more,
 *   INVALID_ARGUMENT MESSAGE_INVALID without a reason, ABORTED TAG_CHANGED.
 */
export async function rollback(
  context: GateContext,
  caller: Caller,
  request: RollbackRequest,
): Promise<RollbackResponse & { readonly versions: readonly WeightedVersion[] }> {
  const { consul } = context;
  const { service } = request;
  const tag = checkTagName(request.tag);
  const reason = checkMessage(request.reason, "A rollback");
  const [record, { moves }] = await Promise.all([
    readService(consul, service),
    readMoves(consul, service, tag),
  ]);
  const now = record.tags[tag] ?? [];
  const [last] = moves;
  if (last === undefined || sharesOf(last.to) !== sharesOf(now) || last.from.length === 0) {
    throw impossible(service, tag, `it names ${sharesOf(now)}, and nothing is known of what it named before`);
  }
  for (const { version } of last.from) {
    const entry = await readEntry(context, service, version);
    if (entry === undefined || entry.deployment.registeredAtMs > last.atMs) {
      const now = entry === undefined ? "is not registered any more" : "was registered anew since";
      throw impossible(service, tag, `before its latest change it named ${version}, which ${now}`);
    }
    if (isGated(tag)) await checkApproved(context, entry, tag);
  }
  const before = sharesOf(now);
  const previous = await setTag(consul, service, tag, last.from, caller.id, async ({ tags }) => {
    if (sharesOf(tags[tag] ?? []) !== before) throw changed(service, tag);
    const version = sharesOf(last.from);
    const detail = `from ${before}: ${reason}`;
    return [historyStep({ service, by: caller.id, what: "rolled back", version, tag, detail })];
  });
  return { version: sharesOf(last.from), previous: sharesOf(previous), versions: last.from };
}

function impossible(service: string, tag: string, why: string): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `The tag ${tag} of ${service} cannot be rolled back: ${why}. Name a version: rouse promote ${service} VERSION --to ${tag}`,
    { reason: "ROLLBACK_IMPOSSIBLE", metadata: { service, tag } },
  );
}

function changed(service: string, tag: string): RouseError {
  return new RouseError(
    "ABORTED",
    `Somebody else changed the tag ${tag} of ${service} in this moment. Look at it and decide again.`,
    { reason: "TAG_CHANGED", metadata: { service, tag } },
  );
}
