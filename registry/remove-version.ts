import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";
import { withdrawSteps } from "./descriptions/withdraw.ts";
import { healthAnswerSchema, instanceOf } from "./instance-record.ts";
import { ALL_VERSIONS, activationKey, BLOBS_PREFIX, catalogKey, tagsKey, tuningKey } from "./keys.ts";
import { readKey, transact } from "./kv.ts";
import { withoutOpenWork } from "./open-work.ts";
import { activationSchema, FIRST_ACTIVATION } from "./records.ts";
import { contended } from "./register-version.ts";
import { releaseLeftovers } from "./releases/leftovers.ts";
import { nameStep, parseValue, readService, tagsStep, unchanged } from "./service-record.ts";
import { unknownVersion } from "./spec.ts";

const MOST_TRIES = 16;

/**
 * Takes a version out of the catalog, in one transaction.
 *
 * Its activation stays behind, one generation on: an Envoy asks only once for a cluster of a name, so a version that comes back
 * must not use the generations of its former life again.
 *
 * Its description and what happened to it are kept.
 *
 * @param by - Provider id, or "administrator".
 * @throws RouseError NOT_FOUND; FAILED_PRECONDITION VERSION_TAGGED while a tag names it, VERSION_RUNNING while it has instances,
 *   VERSION_STOPPING while those of a stopped version end, VERSION_HAS_RUNS while runs, operations or orders of it go on; ABORTED CATALOG_CONTENDED.
 */
export async function removeVersion(
  consul: ConsulClient,
  by: string,
  service: string,
  version: string,
): Promise<void> {
  const key = catalogKey(service, version);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const record = await readService(consul, service);
    const entry = await readKey(consul, key);
    if (entry === undefined) throw unknownVersion({ service, ...record }, version);
    const rest = record.versions.filter((other) => other !== version);
    checkTags(service, version, record.tags);
    const noWork = await withoutOpenWork(consul, service, version);
    const activation = await readKey(consul, activationKey(service, version));
    const { generation, stopped } =
      activation === undefined ? FIRST_ACTIVATION : parseValue(activationSchema, activation);
    await checkInstances(consul, service, version, stopped !== undefined);
    const removed = await transact(consul, [
      { verb: "delete-cas", key, index: entry.ModifyIndex },
      ...noWork,
      { verb: "delete-tree", key: `${BLOBS_PREFIX}${service}/${version}/` },
      { verb: "delete-tree", key: tuningKey(service, version) },
      ...(rest.length === 0 ? [{ verb: "delete-tree", key: tuningKey(service, ALL_VERSIONS) } as const] : []),
      nameStep(service, rest, record.nameIndex),
      rest.length === 0
        ? tagsStep(service, {}, record.tagsIndex)
        : unchanged(tagsKey(service), record.tagsIndex),
      {
        verb: "cas",
        key: activationKey(service, version),
        index: activation?.ModifyIndex ?? 0,
        value: JSON.stringify({ generation: generation + 1 }),
      },
      ...(await releaseLeftovers(consul, by, service, version, rest.length === 0)),
      ...(await withdrawSteps(consul, by, service, version, Date.now())),
    ]);
    if (removed) return;
  }
  throw contended(service);
}

function checkTags(
  service: string,
  version: string,
  tags: Readonly<Record<string, readonly { version: string }[]>>,
) {
  const naming = Object.entries(tags).filter(([, versions]) =>
    versions.some((one) => one.version === version),
  );
  if (naming.length === 0) return;
  const names = naming.map(([name]) => name);
  throw new RouseError(
    "FAILED_PRECONDITION",
    `${service} ${version} cannot be removed while ${names.length === 1 ? "the tag" : "the tags"} ${names.join(", ")} ${names.length === 1 ? "names" : "name"} it. Point ${names.length === 1 ? "it" : "them"} elsewhere first ("rouse tag ${service} ${names[0]} VERSION"), or take it away ("rouse tag ${service} ${names[0]} --remove").`,
    { reason: "VERSION_TAGGED", metadata: { service, version, tags: names.join(",") } },
  );
}

async function checkInstances(
  consul: ConsulClient,
  service: string,
  version: string,
  stopped: boolean,
): Promise<void> {
  const response = await consul.request("GET", `/v1/health/service/${encodeURIComponent(service)}`);
  const running = healthAnswerSchema
    .parse(JSON.parse(response.text))
    .filter((entry) => instanceOf(entry)?.version === version);
  if (running.length === 0) return;
  const instances = running.length === 1 ? "1 instance" : `${running.length} instances`;
  const metadata = { service, version, instances: String(running.length) };
  if (stopped) {
    throw new RouseError(
      "FAILED_PRECONDITION",
      `${service} ${version} is stopped, but ${instances} of it ${running.length === 1 ? "has" : "have"} not ended yet. Remove it when "rouse status" shows none any more.`,
      { reason: "VERSION_STOPPING", metadata },
    );
  }
  throw new RouseError(
    "FAILED_PRECONDITION",
    `${service} ${version} has ${instances} running. Stop it first: rouse stop ${service} ${version} --reason "it is removed"`,
    { reason: "VERSION_RUNNING", metadata },
  );
}
