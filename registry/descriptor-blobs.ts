import { createHash } from "node:crypto";
import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";
import { BLOBS_PREFIX, blobFolder, catalogKey } from "./keys.ts";
import {
  decodeValue,
  listKeyNames,
  MAX_VALUE_BYTES,
  readKey,
  type TransactionStep,
  transact,
  writeKey,
} from "./kv.ts";
import { type CatalogEntry, catalogEntrySchema } from "./records.ts";
import { parseValue } from "./service-record.ts";

/*
 * A descriptor set is written before the catalog entry that names it, in parts below Consul's limit. So that no sweep takes
 * parts away from under a writer, a folder has a marker: the transaction that writes the entry checks that the marker is still
 * the one it began with, and who deletes a folder deletes the marker with it.
 */

const marker = (folder: string) => `${folder}marker`;

/**
 * Writes the parts of a descriptor set.
 *
 * @returns the condition under which they are still there.
 */
export async function writeBlob(
  consul: ConsulClient,
  folder: string,
  bytes: Uint8Array,
): Promise<TransactionStep> {
  await writeKey(consul, marker(folder), "", { cas: 0 });
  const index = (await readKey(consul, marker(folder)))?.ModifyIndex ?? 0;
  for (let part = 0; part < blobParts(bytes); part++) {
    const from = part * MAX_VALUE_BYTES;
    await writeKey(consul, `${folder}${part}`, bytes.subarray(from, from + MAX_VALUE_BYTES));
  }
  return { verb: "check-index", key: marker(folder), index };
}

/** In how many parts a descriptor set is kept. */
export function blobParts(bytes: Uint8Array): number {
  return Math.max(1, Math.ceil(bytes.length / MAX_VALUE_BYTES));
}

/**
 * Reads the descriptor set of a catalog entry and verifies its digest.
 *
 * @returns undefined when a part is missing: the version was removed meanwhile, or Consul lost it.
 * @throws RouseError DATA_LOSS DESCRIPTOR_SET_CORRUPT.
 */
export async function readBlob(consul: ConsulClient, entry: CatalogEntry): Promise<Buffer | undefined> {
  const { service, version } = entry.manifest;
  const { digest, parts } = entry.descriptorSet;
  const folder = blobFolder(service, version, digest);
  const items = await Promise.all(
    Array.from({ length: parts }, (_, part) => readKey(consul, `${folder}${part}`)),
  );
  if (items.includes(undefined)) return undefined;
  const bytes = Buffer.concat(items.flatMap((item) => (item === undefined ? [] : [decodeValue(item)])));
  if (createHash("sha256").update(bytes).digest("hex") === digest) return bytes;
  throw new RouseError(
    "DATA_LOSS",
    `The descriptor set of ${service} ${version} in Consul (${folder}) is not what was registered. Unregister the version and register it again.`,
    { reason: "DESCRIPTOR_SET_CORRUPT" },
  );
}

/**
 * Deletes descriptor sets that no catalog entry names: those of registrations that were cut off or lost a race.
 *
 * @param only - Just this folder.
 * @returns how many were deleted.
 */
export async function sweepBlobs(consul: ConsulClient, only?: string): Promise<number> {
  const keys = await listKeyNames(consul, only ?? BLOBS_PREFIX);
  const folders = new Set(keys.map((key) => key.slice(0, key.lastIndexOf("/") + 1)));
  let deleted = 0;
  for (const folder of folders) {
    const [service, version, digest] = folder.slice(BLOBS_PREFIX.length).split("/");
    if (!service || !version || !digest) continue;
    const key = catalogKey(service, version);
    const item = await readKey(consul, key);
    const guard: TransactionStep =
      item === undefined
        ? { verb: "check-not-exists", key }
        : { verb: "check-index", key, index: item.ModifyIndex };
    if (item !== undefined) {
      const { descriptorSet } = parseValue(catalogEntrySchema, item);
      if (descriptorSet.digest === digest) continue;
    }
    if (await transact(consul, [guard, { verb: "delete-tree", key: folder }])) deleted++;
  }
  return deleted;
}
