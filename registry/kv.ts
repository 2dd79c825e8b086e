import { z } from "zod";
import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";

/** Consul refuses values over 512 KB; this leaves room. Bytes. */
export const MAX_VALUE_BYTES = 500 * 1024;

/** One key as Consul tells it (https://developer.hashicorp.com/consul/api-docs/kv). */
export const kvItemSchema = z.object({
  Key: z.string(),
  /** Base64; null when empty. */
  Value: z.string().nullable(),
  ModifyIndex: z.number(),
  LockIndex: z.number(),
  Session: z.string().optional(),
});
export type KvItem = z.infer<typeof kvItemSchema>;
export const kvListSchema = z.array(kvItemSchema);

/** Path of a key for the HTTP API; slashes stay. */
export function kvPath(key: string): string {
  return `/v1/kv/${key.split("/").map(encodeURIComponent).join("/")}`;
}

export function decodeValue(item: KvItem): Buffer {
  return Buffer.from(item.Value ?? "", "base64");
}

/** Reads one key; undefined when there is none. */
export async function readKey(
  consul: ConsulClient,
  key: string,
  timeoutMs?: number,
): Promise<KvItem | undefined> {
  const response = await consul.request("GET", kvPath(key), {
    accept: [404],
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
  return response.status === 404 ? undefined : kvListSchema.parse(JSON.parse(response.text))[0];
}

/** Reads every key below a prefix. */
export async function listKeys(consul: ConsulClient, prefix: string): Promise<KvItem[]> {
  const response = await consul.request("GET", kvPath(prefix), { query: { recurse: "" }, accept: [404] });
  return response.status === 404 ? [] : kvListSchema.parse(JSON.parse(response.text));
}

/** Names of the keys below a prefix, without their values; with a separator, only up to it. */
export async function listKeyNames(
  consul: ConsulClient,
  prefix: string,
  separator?: string,
): Promise<string[]> {
  const query = { keys: "", separator };
  const response = await consul.request("GET", kvPath(prefix), { query, accept: [404] });
  return response.status === 404 ? [] : z.array(z.string()).parse(JSON.parse(response.text));
}

/**
 * Writes a key.
 *
 * @param options.cas - Only when the key's ModifyIndex is this one; 0: only when there is none.
 * @param options.acquire - Takes the lock for this session.
 * @param options.release - Gives the lock back.
 * @returns false when the condition did not hold.
 */
export async function writeKey(
  consul: ConsulClient,
  key: string,
  value: string | Uint8Array,
  options: { cas?: number; acquire?: string; release?: string } = {},
): Promise<boolean> {
  const response = await consul.request("PUT", kvPath(key), { query: { ...options }, body: value });
  return response.text.trim() === "true";
}

/** One step of {@link transact}; verbs of https://developer.hashicorp.com/consul/api-docs/txn. */
export interface TransactionStep {
  readonly verb:
    | "set"
    | "cas"
    | "get"
    | "delete"
    | "delete-cas"
    | "delete-tree"
    | "check-index"
    | "check-session"
    | "check-not-exists";
  readonly key: string;
  readonly value?: string;
  readonly index?: number;
  /** Of check-session: that which must hold the key's lock. */
  readonly session?: string;
}

/**
 * Does all steps or none. At most 128 steps and about 512 KB in all.
 *
 * @returns false when a condition of some step did not hold, and nothing was changed.
 */
export async function transact(consul: ConsulClient, steps: readonly TransactionStep[]): Promise<boolean> {
  const body = JSON.stringify(
    steps.map(({ verb, key, value, index, session }) => ({
      KV: {
        Verb: verb,
        Key: key,
        ...(value === undefined ? {} : { Value: Buffer.from(value).toString("base64") }),
        ...(index === undefined ? {} : { Index: index }),
        ...(session === undefined ? {} : { Session: session }),
      },
    })),
  );
  const response = await consul.request("PUT", "/v1/txn", { body, accept: [409, 413] });
  if (response.status === 413) {
    throw new RouseError(
      "RESOURCE_EXHAUSTED",
      `${Math.ceil(body.length / 1024)} KB in one step are too much for Consul (512 KB): ${response.text.trim()}. Shorten the manifest's description and comments, or take away tags that nobody needs.`,
      { reason: "ENTRY_TOO_LARGE" },
    );
  }
  return response.status !== 409;
}
