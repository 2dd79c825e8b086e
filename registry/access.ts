import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Metadata } from "@grpc/grpc-js";
import { RouseError } from "../sdk/errors.ts";
import { ADMIN_KEY_FILE } from "./admin-key-file.ts";
import type { ConsulClient } from "./consul.ts";
import { providerKeyKey } from "./keys.ts";
import { readKey } from "./kv.ts";
import { providerKeySchema } from "./providers/records.ts";
import { parseValue } from "./service-record.ts";

export { mayChange } from "./ownership.ts";

/** Who makes a call that changes something. */
export interface Caller {
  /** Provider id; "administrator" for the administrator. */
  readonly id: string;
  readonly administrator: boolean;
  /** Public part of the key. */
  readonly keyId: string;
}

/** Finds out whose key a call brings. */
export interface Access {
  /**
   * @throws RouseError UNAUTHENTICATED KEY_MISSING without a key, KEY_INVALID for one that is none (any more).
   */
  identify(metadata: Metadata): Promise<Caller>;
}

/** Name of the administrator where a provider's id would stand. */
export const ADMINISTRATOR = "administrator";

const KEY_BYTES = 32;

/**
 * The administrator's key of a registry: made when it is first needed, readable by the registry's user only.
 *
 * @param dataDir The registry's data folder.
 */
export async function adminKey(dataDir: string): Promise<string> {
  const file = join(dataDir, ADMIN_KEY_FILE);
  // Who needs it first makes it.
  await mkdir(dataDir, { recursive: true });
  const made = `rouse_admin_${randomBytes(KEY_BYTES).toString("base64url")}`;
  try {
    await writeFile(file, `${made}\n`, { mode: 0o600, flag: "wx" });
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return (await readFile(file, "utf8")).trim();
}

/** The key of a call: metadata "authorization: Bearer <key>". @throws RouseError UNAUTHENTICATED KEY_MISSING. */
export function keyOf(metadata: Metadata): string {
  const [value] = metadata.get("authorization");
  const key = /^Bearer (\S+)$/i.exec(String(value ?? ""))?.[1];
  if (key !== undefined) return key;
  throw new RouseError(
    "UNAUTHENTICATED",
    'This call needs a provider\'s key. Make a provider with "rouse provider create ID", and give its key by ROUSE_KEY ' +
      '(or as metadata "authorization: Bearer KEY").',
    { reason: "KEY_MISSING" },
  );
}

/** Hash under which a key is kept: it is random, so that a slow hash would guard nothing more. Hex. */
export function hashKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

/** Compares two hex hashes in constant time. */
export function sameHash(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left, "hex"), Buffer.from(right, "hex")];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Who holds the administrator's key. */
const ADMIN_CALLER: Caller = Object.freeze({ id: ADMINISTRATOR, administrator: true, keyId: "admin" });

/** "rouse_<key id>_<secret>", as providers/keys.ts makes them. */
const PROVIDER_KEY = /^rouse_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;
const NO_HASH = "0".repeat(64);

/**
 * Access for the administrator and for providers. A provider's key is looked up at each call, so that a revocation counts at once:
 * calls that change something are rare.
 *
 * @param admin The administrator's key.
 */
export function accessOf(consul: ConsulClient, admin: string): Access {
  const adminHash = hashKey(admin);
  return {
    async identify(metadata) {
      const key = keyOf(metadata);
      const hash = hashKey(key);
      if (sameHash(hash, adminHash)) return ADMIN_CALLER;
      const [, keyId] = PROVIDER_KEY.exec(key) ?? [];
      if (keyId === undefined) throw keyInvalid();
      const item = await readKey(consul, providerKeyKey(keyId));
      const record = item === undefined ? undefined : parseValue(providerKeySchema, item);
      // One answer, after the same work, whether the key is unknown, wrong or revoked: it tells nothing to who guesses.
      const same = sameHash(hash, record?.hash ?? NO_HASH);
      if (record === undefined || !same || record.revokedAtMs !== 0) throw keyInvalid();
      return { id: record.provider, administrator: false, keyId };
    },
  };
}

function keyInvalid(): RouseError {
  return new RouseError(
    "UNAUTHENTICATED",
    'This key is not, or no longer, good. Give another one by ROUSE_KEY; "rouse provider key create" makes one, and the administrator can make one for you.',
    { reason: "KEY_INVALID" },
  );
}
