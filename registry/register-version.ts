import semver from "semver";
import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";
import { blobParts, sweepBlobs, writeBlob } from "./descriptor-blobs.ts";
import { differences } from "./difference.ts";
import { blobFolder, catalogKey } from "./keys.ts";
import { type KvItem, MAX_VALUE_BYTES, readKey, transact } from "./kv.ts";
import { type CatalogEntry, catalogEntrySchema, type Tags } from "./records.ts";
import type { Registration } from "./registration.ts";
import { nameStep, parseValue, readService, type ServiceRecord, tagsStep } from "./service-record.ts";

/** So many lost races in a row mean that something else writes all the time. */
const MOST_TRIES = 16;

/**
 * Adds a version to the catalog, with its tags, in one transaction; before it only the descriptor set is written, which nobody
 * sees without the entry.
 *
 * No tag is set that was not asked for: calls without a version go to the highest stable version until somebody sets "release".
 *
 * @param checkArtifact - Called for a version that is new; throws when what it runs is not there.
 * @returns false when the very same content was there already; its tags are set all the same.
 * @throws RouseError ALREADY_EXISTS VERSION_EXISTS for other content or SERVICE_NAME_TAKEN for a name that differs by case only,
 *   RESOURCE_EXHAUSTED ENTRY_TOO_LARGE, ABORTED CATALOG_CONTENDED.
 */
export async function registerVersion(
  consul: ConsulClient,
  registration: Registration,
  checkArtifact: () => Promise<void>,
): Promise<boolean> {
  const { service, version } = registration.manifest;
  const key = catalogKey(service, version);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const record = await readService(consul, service);
    const existing = await readKey(consul, key);
    if (existing !== undefined) {
      if (await keepVersion(consul, registration, existing, record)) return false;
      continue;
    }
    checkName(service, record);
    await checkArtifact();
    const value = JSON.stringify(entryOf(registration));
    checkSize(service, version, value);
    const folder = blobFolder(service, version, registration.digest);
    const intact = await writeBlob(consul, folder, registration.descriptorSet);
    const written = await transact(consul, [
      intact,
      { verb: "cas", key, index: 0, value },
      nameStep(service, [...new Set([...record.versions, version])], record.nameIndex),
      ...tagSteps(registration, record),
    ]);
    if (written) return true;
    await sweepBlobs(consul, folder);
  }
  throw contended(service);
}

/** The version exists: the same content gets its tags, other content is refused. @returns false after a lost race. */
async function keepVersion(
  consul: ConsulClient,
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
  const steps = tagSteps(registration, record);
  if (steps.length === 0) return true;
  return transact(consul, [{ verb: "check-index", key: item.Key, index: item.ModifyIndex }, ...steps]);
}

function tagSteps({ manifest, tags }: Registration, record: ServiceRecord) {
  if (tags.length === 0) return [];
  const added: Tags = Object.fromEntries(
    tags.map((tag) => [tag, [{ version: manifest.version, weight: 1 }]]),
  );
  return [tagsStep(manifest.service, { ...record.tags, ...added }, record.tagsIndex)];
}

function entryOf(registration: Registration): CatalogEntry {
  const { manifest, deployment, descriptorSet, digest } = registration;
  const { artifact, mounts, ...rest } = deployment;
  const entry = {
    manifest,
    deployment: { ...rest, artifact, mounts },
    descriptorSet: { digest, size: descriptorSet.length, parts: blobParts(descriptorSet) },
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

function checkSize(service: string, version: string, value: string): void {
  const bytes = Buffer.byteLength(value);
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
