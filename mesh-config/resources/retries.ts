import type { VersionManifest } from "../../registry/state.ts";
import { OPERATION_HEADER } from "../../sdk/operation-header.ts";
import { any, type JsonObject } from "../proto/json.ts";

/**
 * What never reached a handler is tried again. An instance that has just died is in the cluster for a moment yet: so many tries, by
 * Envoy's back-off (25 ms at first, up to 250 ms), last until it is gone.
 */
export const unheard: JsonObject = { retry_on: "connect-failure,refused-stream", num_retries: 5 };

/**
 * The same ("reset" has it in it), and what an instance took with it when it died, as long as it had answered nothing: for methods of
 * which the contract says that a second call does no harm. The one that died has the fewest calls, so the next try goes to another.
 * It stands in a table's virtual host and holds for all routes that name no other: most services have such methods, and many routes.
 * Orders tries its calls again by itself, and counts the instances that one has taken along: they are not to be three times as many.
 */
export const unanswered: JsonObject = {
  retry_on: "reset",
  num_retries: 2,
  retry_host_predicate: [
    {
      name: "envoy.retry_host_predicates.previous_hosts",
      typed_config: any("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
    },
  ],
  host_selection_retry_max_attempts: 5,
  retriable_request_headers: [{ name: OPERATION_HEADER, present_match: true, invert_match: true }],
};

/**
 * The same for a version each of whose instances has a priority of its own: a next try chooses among the priorities that have not been
 * tried, or among all when there are no others. By itself it would begin with the first again, which is the one that died.
 */
export function byPriority(policy: JsonObject): JsonObject {
  return {
    ...policy,
    retry_priority: {
      name: "envoy.retry_priorities.previous_priorities",
      typed_config: any("envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig", {
        update_frequency: 1,
      }),
    },
  };
}

/** Which methods Envoy may call a second time: a regular expression of their paths. */
export type Repeatable = "all" | "none" | { readonly paths: string };

/**
 * Which methods do no harm by a second call (`idempotency_level`), in all of these versions: a tag may name several.
 *
 * @param versions What the code generator says of them.
 */
export function repeatable(versions: readonly Pick<VersionManifest, "methods">[]): Repeatable {
  const [names = [], ...others] = versions.map(({ methods }) =>
    methods.filter(({ idempotency }) => idempotency !== "unknown").map(({ name }) => name),
  );
  const common = names.filter((name) => others.every((other) => other.includes(name))).sort();
  if (common.length === 0) return "none";
  if (versions.every(({ methods }) => methods.length === common.length)) return "all";
  return { paths: `.*/(?:${common.join("|")})` };
}
