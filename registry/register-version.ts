import semver from "semver";
import { RouseError } from "../sdk/errors.ts";
import type { Caller } from "./access.ts";
import { firstSteps } from "./descriptions/revisions.ts";
import { blobParts, sweepBlobs, writeBlob } from "./descriptor-blobs.ts";
import { differences } from "./difference.ts";
import { historyStep, trimHistory } from "./history/index.ts";
import { blobFolder, catalogKey } from "./keys.ts";
import { type KvItem, MAX_VALUE_BYTES, readKey, transact } from "./kv.ts";
import { claim, mayChange } from "./ownership.ts";
import { type CatalogEntry, catalogEntrySchema } from "./records.ts";
import type { Registration } from "./registration.ts";
import type { GateContext } from "./releases/gate.ts";
import { registrationMoves, releaseSteps } from "./releases/registration-steps.ts";
import { guardTag } from "./releases/tag-guard.ts";
import { nameStep, parseValue, readService, type ServiceRecord } from "./service-record.ts";

/** So many lost races in a row mean that something else writes all the time. */
const MOST_TRIES = 16;

/**
 * Adds a version to the catalog, with its tags, in one transaction; before it only the descriptor set is written, which nobody
 * sees without the entry.
 *
 * No tag is set that was not asked for: calls without a version go to the highest stable version until somebody sets "release".
 *
 * The first to register a service owns it from then on.
 *
 * @param checkArtifact - Called for a version that is new; throws when what it runs is not there.
 * @returns false when the very same content was there already; its tags are set all the same.
 * @throws RouseError PERMISSION_DENIED NOT_YOUR_SERVICE, ALREADY_EXISTS VERSION_EXISTS for other content or SERVICE_NAME_TAKEN for
 *   a name that looks like another's, FAILED_PRECONDITION as guardTag for its tags, RESOURCE_EXHAUSTED ENTRY_TOO_LARGE, ABORTED CATALOG_CONTENDED.
 */
export async function registerVersion(
  context: GateContext,
  caller: Caller,
  registration: Registration,
  checkArtifact: () => Promise<void>,
): Promise<boolean> {
  const { consul } = context;
  const { service, version } = registration.manifest;
  const key = catalogKey(service, version);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const record = await readService(consul, service);
    const existing = await readKey(consul, key);
    if (existing !== undefined) {
      await mayChange({ consul }, caller, service);
      if (await keepVersion(context, caller, registration, existing, record)) return false;
      continue;
    }
    checkName(service, record);
    const { registeredAtMs } = registration.deployment;
    const owned = await claim(consul, caller, service, registeredAtMs);
    const release = await releaseSteps(context, caller.id, registration, record);
    const value = JSON.stringify(entryOf(registration, release.approval));
    const { revision, steps } = await firstSteps(consul, registration, caller.id, release.approval);
    checkSize(service, version, [value, ...steps.map((step) => step.value ?? "")]);
    // Last: what is refused leaves no bundle behind.
    await checkArtifact();
    const folder = blobFolder(service, version, registration.digest);
    const intact = await writeBlob(consul, folder, registration.descriptorSet);
    const written = await transact(consul, [
      intact,
      { verb: "cas", key, index: 0, value },
      nameStep(service, [...new Set([...record.versions, version])], record.nameIndex),
      ...release.steps,
      owned,
      ...steps,
      historyStep(
        {
          service,
          version,
          by: caller.id,
          what: "registered",
          revision,
          ...(registration.tags.length === 0
            ? {}
            : { detail: `with the tags ${registration.tags.join(", ")}` }),
        },
        registeredAtMs,
      ),
    ]);
    if (written) {
      await trimHistory(consul, service);
      return true;
    }
    await sweepBlobs(consul, folder);
  }
  throw contended(service);
}

/** The version exists: the same content gets its tags, other content is refused. @returns false after a lost race. */
async function keepVersion(
  context: GateContext,
  caller: Caller,
  registration: Registration,
  item: KvItem,
  record: ServiceRecord,
): Promise<boolean> {
  const { service, version } = registration.manifest;
  const differing = differences(parseValue(catalogEntrySchema, item), registration);
  if (differing.length > 0) {
    const next = semver.inc(version, semver.prerelease(version) === null ? "patch" : "prerelease");
    throw new RouseError(
      "ALREADY_EXISTS",
      `${service} ${version} is registered with other content. What differs: ${differing.join("; ")}. A registered version never changes: give this one a new number in its contract, such as ${next}, and register that.`,
      { reason: "VERSION_EXISTS", metadata: { service, version } },
    );
  }
  const moved = registration.tags.filter((tag) => {
    const [first, ...others] = record.tags[tag] ?? [];
    return first?.version !== version || others.length > 0;
  });
  if (moved.length === 0) return true;
  for (const tag of moved) await guardTag(context, service, tag, [{ version, weight: 1 }], record);
  const steps = [
    ...(await registrationMoves(context, caller.id, registration, record, Date.now())),
    ...moved.map((tag) => historyStep({ service, by: caller.id, what: "tagged", version, tag })),
  ];
  return transact(context.consul, [
    { verb: "check-index", key: item.Key, index: item.ModifyIndex },
    ...steps,
  ]);
}

function entryOf(registration: Registration, approval: CatalogEntry["approval"]): CatalogEntry {
  const { manifest, deployment, descriptorSet, digest } = registration;
  const { artifact, mounts, ...rest } = deployment;
  const entry = {
    manifest,
    deployment: { ...rest, artifact, mounts },
    descriptorSet: { digest, size: descriptorSet.length, parts: blobParts(descriptorSet) },
    ...(approval === undefined ? {} : { approval }),
  };
  return catalogEntrySchema.parse(entry);
}

function checkName(service: string, { registered }: ServiceRecord): void {
  if (registered === undefined || registered === service) return;
  throw new RouseError(
    "ALREADY_EXISTS",
    `${service} differs only by case from ${registered}, which is registered; Consul cannot tell them apart. Rename the service in its contract.`,
    { reason: "SERVICE_NAME_TAKEN", metadata: { service, registered } },
  );
}

function checkSize(service: string, version: string, values: readonly string[]): void {
  const bytes = values.reduce((sum, value) => sum + Buffer.byteLength(value), 0);
  // The transaction carries it as base64, with tags and name beside it.
  const most = Math.floor((MAX_VALUE_BYTES * 3) / 4) - 48 * 1024;
  if (bytes <= most) return;
  throw new RouseError(
    "RESOURCE_EXHAUSTED",
    `The description, comments, environment and mounts of ${service} ${version} take ${Math.ceil(bytes / 1024)} KB; ${Math.floor(most / 1024)} KB fit into the catalog. Shorten them (messages do not count).`,
    { reason: "ENTRY_TOO_LARGE", metadata: { service, version } },
  );
}

/** ABORTED: others changed the service again and again. */
export function contended(service: string): RouseError {
  return new RouseError(
    "ABORTED",
    `${service} was changed by somebody else ${MOST_TRIES} times in a row. Try again when they are done.`,
    { reason: "CATALOG_CONTENDED", metadata: { service } },
  );
}
