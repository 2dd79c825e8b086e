import type { z } from "zod";
import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";
import { nameKey, tagsKey } from "./keys.ts";
import { decodeValue, type KvItem, readKey, type TransactionStep } from "./kv.ts";
import { nameSchema, type Tags, tagsSchema } from "./records.ts";

/** What Consul holds of a service beside its versions' entries, with the indexes for check-and-set. */
export interface ServiceRecord {
  /** The name as it was registered; undefined for a service that is new. */
  readonly registered: string | undefined;
  readonly versions: readonly string[];
  readonly tags: Tags;
  /** ModifyIndex of rouse/names/<name>; 0 when there is none. */
  readonly nameIndex: number;
  readonly tagsIndex: number;
}

/** Reads the record of a service, which may be registered under another spelling of its name. */
export async function readService(consul: ConsulClient, service: string): Promise<ServiceRecord> {
  const [name, tags] = await Promise.all([
    readKey(consul, nameKey(service)),
    readKey(consul, tagsKey(service)),
  ]);
  const known = name === undefined ? undefined : parseValue(nameSchema, name);
  return {
    registered: known?.service,
    versions: known?.versions ?? [],
    tags: tags === undefined ? {} : parseValue(tagsSchema, tags),
    nameIndex: name?.ModifyIndex ?? 0,
    tagsIndex: tags?.ModifyIndex ?? 0,
  };
}

/** The step that writes the name and versions of a service, or deletes them with the last version. */
export function nameStep(service: string, versions: readonly string[], index: number): TransactionStep {
  const key = nameKey(service);
  if (versions.length === 0) return { verb: "delete-cas", key, index };
  return { verb: "cas", key, index, value: JSON.stringify({ service, versions: [...versions].sort() }) };
}

/** The step that writes the tags of a service; deletes the key with the last tag. */
export function tagsStep(service: string, tags: Tags, index: number): TransactionStep {
  const key = tagsKey(service);
  if (Object.keys(tags).length > 0) return { verb: "cas", key, index, value: JSON.stringify(tags) };
  return index === 0 ? { verb: "check-not-exists", key } : { verb: "delete-cas", key, index };
}

/** The condition that a key is as it was read; index 0: absent. */
export function unchanged(key: string, index: number): TransactionStep {
  return index === 0 ? { verb: "check-not-exists", key } : { verb: "check-index", key, index };
}

/** Parses the JSON value of a key. @throws RouseError DATA_LOSS CONSUL_VALUE_INVALID. */
export function parseValue<Schema extends z.ZodType>(schema: Schema, item: KvItem): z.infer<Schema> {
  try {
    return schema.parse(JSON.parse(decodeValue(item).toString("utf8")));
  } catch (cause) {
    throw new RouseError(
      "DATA_LOSS",
      `Consul holds under ${item.Key} what Rouse cannot read. Put its former value back, or delete the key and register again.`,
      { reason: "CONSUL_VALUE_INVALID", cause },
    );
  }
}
