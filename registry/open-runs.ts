import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";
import { runsKey } from "./keys.ts";
import { readKey, type TransactionStep } from "./kv.ts";
import { openRunsSchema } from "./records.ts";
import { parseValue } from "./service-record.ts";

/**
 * The steps with which a version's note of durable runs goes with the version, if none of them changes it meanwhile.
 *
 * @throws RouseError FAILED_PRECONDITION VERSION_HAS_RUNS while runs of it have not ended.
 */
export async function withoutOpenRuns(
  consul: ConsulClient,
  service: string,
  version: string,
): Promise<TransactionStep[]> {
  const key = runsKey(service, version);
  const found = await readKey(consul, key);
  if (found === undefined) return [{ verb: "check-not-exists", key }];
  const { open, runs } = parseValue(openRunsSchema, found);
  if (open > 0) throw hasRuns(service, version, open, runs);
  return [{ verb: "delete-cas", key, index: found.ModifyIndex }];
}

/** @param runs ids of some of them. */
export function hasRuns(service: string, version: string, open: number, runs: readonly string[]): RouseError {
  const [first = "ID"] = runs;
  const more = open > runs.length ? " and others" : "";
  const named = runs.length === 0 ? "" : `: ${runs.join(", ")}${more}`;
  return new RouseError(
    "FAILED_PRECONDITION",
    `${service} ${version} cannot be removed while ${open === 1 ? "a durable run of it has" : `${open} durable runs of it have`} not ended${named}. Wait for ${open === 1 ? "it" : "them"} ("rouse runs ${service} --version ${version}"), or cancel: rouse runs cancel ${first}`,
    { reason: "VERSION_HAS_RUNS", metadata: { service, version, runs: runs.join(",") } },
  );
}
