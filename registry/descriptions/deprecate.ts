import { RouseError } from "../../sdk/errors.ts";
import type { Caller } from "../access.ts";
import type { ConsulClient } from "../consul.ts";
import { historyStep, trimHistory } from "../history/index.ts";
import { changeAbout } from "./record.ts";
import { textFault } from "./text.ts";

const MAX_REASON = 1_000;

/**
 * Says that callers of a version should go elsewhere, and why; an empty reason takes it back.
 *
 * @returns false when the version never existed.
 * @throws RouseError INVALID_ARGUMENT REASON_INVALID.
 */
export async function deprecate(
  context: { readonly consul: ConsulClient },
  caller: Caller,
  service: string,
  version: string,
  reason: string,
): Promise<boolean> {
  const deprecated = reason.trim();
  const fault =
    deprecated.length > MAX_REASON
      ? `has ${deprecated.length} characters; keep it to ${MAX_REASON}`
      : textFault(deprecated, true);
  if (fault !== undefined)
    throw new RouseError("INVALID_ARGUMENT", `The reason ${fault}.`, { reason: "REASON_INVALID" });
  const what = deprecated === "" ? "deprecation taken back" : "deprecated";
  const after = await changeAbout(
    context,
    service,
    version,
    (record) => (record.deprecated === deprecated ? record : { ...record, deprecated }),
    () => [historyStep({ service, by: caller.id, what, version, detail: deprecated })],
  );
  await trimHistory(context.consul, service);
  return after !== undefined;
}
