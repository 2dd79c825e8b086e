import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";
import { openWorkKey } from "./keys.ts";
import { readKey, type TransactionStep } from "./kv.ts";
import { type OpenWork, openWorkSchema } from "./records.ts";
import { parseValue } from "./service-record.ts";

/** In the order in which they are told, with what people call them. */
const KINDS = [
  ["runs", "durable run"],
  ["operations", "operation"],
  ["orders", "order"],
] as const;

const list = new Intl.ListFormat("en");

/**
 * The steps with which a version's note of open work goes with the version, if nothing changes it meanwhile.
 *
 * @throws RouseError FAILED_PRECONDITION VERSION_HAS_RUNS while runs, operations or orders of it have not ended.
 */
export async function withoutOpenWork(
  consul: ConsulClient,
  service: string,
  version: string,
): Promise<TransactionStep[]> {
  const key = openWorkKey(service, version);
  const found = await readKey(consul, key);
  if (found === undefined) return [{ verb: "check-not-exists", key }];
  const work = parseValue(openWorkSchema, found);
  if (work.pin !== "" || KINDS.some(([kind]) => work[kind].open > 0)) throw hasWork(service, version, work);
  return [{ verb: "delete-cas", key, index: found.ModifyIndex }];
}

/** Says what of the version has not ended, and what to do. */
export function hasWork(service: string, version: string, work: OpenWork): RouseError {
  const open = KINDS.filter(([kind]) => work[kind].open > 0);
  const all = open.reduce((sum, [kind]) => sum + work[kind].open, 0);
  const told = open.map(([kind, name]) => {
    const { open: count, ids } = work[kind];
    const named = ids.length === 0 ? "" : ` (${ids.join(", ")}${count > ids.length ? " and others" : ""})`;
    return `${count} ${name}${count === 1 ? "" : "s"}${named}`;
  });
  const cancel = open.map(([kind]) => `rouse ${kind} cancel ${work[kind].ids[0] ?? "ID"}`);
  const them = all === 1 ? "it" : "them";
  const lists = list.format(open.map(([kind]) => `"rouse ${kind}"`));
  const why =
    all === 0
      ? "it is used just now: work of it that was started or has ended is not counted yet. Try again in 10 s, or let the command wait: --wait"
      : `${list.format(told)} of it ${all === 1 ? "has" : "have"} not ended. Wait for ${them} (${lists}), or cancel: ${cancel.join("; ")}`;
  return new RouseError("FAILED_PRECONDITION", `${service} ${version} cannot be removed while ${why}`, {
    reason: "VERSION_HAS_RUNS",
    metadata: {
      service,
      version,
      ...Object.fromEntries(KINDS.map(([kind]) => [kind, work[kind].ids.join(",")])),
      open: String(all),
    },
  });
}
