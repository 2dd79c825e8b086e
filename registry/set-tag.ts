import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";
import { catalogKey } from "./keys.ts";
import { readKey, type TransactionStep, transact } from "./kv.ts";
import { contended } from "./register-version.ts";
import { moveSteps } from "./releases/tag-moves.ts";
import { readService, type ServiceRecord } from "./service-record.ts";
import { unknownVersion } from "./spec.ts";
import type { WeightedVersion } from "./state.ts";
import { checkTagName } from "./tag-name.ts";

const MOST_TRIES = 16;

/**
 * Points a tag at versions of a service; at none takes the tag away.
 *
 * @param by - Provider id, or "administrator".
 * @param also - More steps of the same transaction, from what the service has now; throws when the tag may not be moved so.
 * @returns what it named before; empty for a new tag.
 * @throws RouseError INVALID_ARGUMENT TAG_INVALID or WEIGHT_INVALID, NOT_FOUND VERSION_UNKNOWN, ABORTED TAG_CHANGED when somebody
 *   else changed this tag in between; changes of other tags do not disturb.
 */
export async function setTag(
  consul: ConsulClient,
  service: string,
  tag: string,
  versions: readonly WeightedVersion[],
  by: string,
  also: (record: ServiceRecord) => Promise<readonly TransactionStep[]>,
): Promise<readonly WeightedVersion[]> {
  checkTagName(tag);
  checkWeights(tag, versions);
  let first: string | undefined;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const record = await readService(consul, service);
    const previous = record.tags[tag] ?? [];
    first ??= JSON.stringify(previous);
    if (JSON.stringify(previous) !== first) throw changed(service, tag, previous);
    const conditions = await Promise.all(
      versions.map(async ({ version }) => {
        const entry = await readKey(consul, catalogKey(service, version));
        if (entry === undefined) throw unknownVersion({ service, ...record }, version);
        return { verb: "check-index", key: entry.Key, index: entry.ModifyIndex } as const;
      }),
    );
    const moved = await moveSteps(consul, service, record, { [tag]: versions }, by, Date.now());
    const steps = [...conditions, ...moved, ...(await also(record))];
    if (await transact(consul, steps)) return previous;
  }
  throw contended(service);
}

/** Most versions of one tag: a canary has two or three, and Consul takes 128 steps at once. */
const MOST_VERSIONS = 32;

function checkWeights(tag: string, versions: readonly WeightedVersion[]): void {
  const invalid = (message: string) =>
    new RouseError("INVALID_ARGUMENT", message, { reason: "WEIGHT_INVALID" });
  if (versions.length > MOST_VERSIONS) {
    throw invalid(
      `The tag ${tag} would be split between ${versions.length} versions. Name at most ${MOST_VERSIONS}.`,
    );
  }
  const seen = new Set<string>();
  for (const { version, weight } of versions) {
    if (seen.has(version))
      throw invalid(`The tag ${tag} names version ${version} twice. Name it once, with the sum.`);
    seen.add(version);
    if (Number.isInteger(weight) && weight >= 1 && weight <= 10_000) continue;
    throw invalid(
      `The weight of version ${version} in the tag ${tag} is ${weight}. Give a whole number from 1 to 10000, or leave a version out that shall get no calls.`,
    );
  }
}

function changed(service: string, tag: string, now: readonly WeightedVersion[]): RouseError {
  const names = now.map(({ version, weight }) => `${version}=${weight}`).join(" ") || "nothing";
  return new RouseError(
    "ABORTED",
    `Somebody else changed the tag ${tag} of ${service} in this moment; it names ${names} now. Look at it and decide again.`,
    { reason: "TAG_CHANGED", metadata: { service, tag } },
  );
}
