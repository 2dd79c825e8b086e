import type { ConsulClient } from "./consul.ts";
import { readBlob } from "./descriptor-blobs.ts";
import { catalogKey } from "./keys.ts";
import { readKey } from "./kv.ts";
import type { Manifest } from "./manifest.ts";
import { catalogEntrySchema } from "./records.ts";
import { contended } from "./register-version.ts";
import { parseValue, readService } from "./service-record.ts";
import { resolveSpec } from "./spec.ts";
import type { Deployment } from "./state.ts";

const MOST_TRIES = 4;

/**
 * The descriptor set of an exact version.
 *
 * @returns undefined when the version is gone.
 * @throws RouseError DATA_LOSS DESCRIPTOR_SET_CORRUPT or CONSUL_VALUE_INVALID.
 */
export async function readDescriptorSet(
  consul: ConsulClient,
  service: string,
  version: string,
): Promise<Uint8Array | undefined> {
  const item = await readKey(consul, catalogKey(service, version));
  return item === undefined ? undefined : readBlob(consul, parseValue(catalogEntrySchema, item));
}

/**
 * The manifest, whole, of the version that a spec names, and what runs for it.
 *
 * @throws RouseError NOT_FOUND VERSION_UNKNOWN, DATA_LOSS DESCRIPTOR_SET_CORRUPT or CONSUL_VALUE_INVALID.
 */
export async function getManifest(
  consul: ConsulClient,
  service: string,
  spec: string,
  barred: readonly string[] = [],
): Promise<{ manifest: Manifest; deployment: Deployment }> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const record = await readService(consul, service);
    const version = resolveSpec({ service, ...record, barred }, spec);
    const item = await readKey(consul, catalogKey(service, version));
    if (item === undefined) continue;
    const entry = parseValue(catalogEntrySchema, item);
    const descriptorSet = await readBlob(consul, entry);
    if (descriptorSet === undefined) continue;
    const manifest = { ...entry.manifest, descriptorSet: descriptorSet.toString("base64") };
    return { manifest, deployment: entry.deployment };
  }
  throw contended(service);
}
