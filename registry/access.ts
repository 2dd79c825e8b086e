import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Metadata } from "@grpc/grpc-js";
import { RouseError } from "../sdk/errors.ts";

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

/** File of the administrator's key, in the registry's data folder. The CLI reads it there. */
export const ADMIN_KEY_FILE = "admin.key";

const KEY_BYTES = 32;

/**
 * The administrator's key of a registry: made at its first start, readable by the registry's user only.
 *
 * @param dataDir The registry's data folder.
 */
export async function adminKey(dataDir: string): Promise<string> {
  const file = join(dataDir, ADMIN_KEY_FILE);
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

/** Access for the administrator's key alone. */
export function adminAccess(admin: string): Access {
  const hash = hashKey(admin);
  return {
    async identify(metadata) {
      if (sameHash(hashKey(keyOf(metadata)), hash)) {
        return { id: ADMINISTRATOR, administrator: true, keyId: "admin" };
      }
      throw new RouseError("UNAUTHENTICATED", "This key is not, or no longer, good. Ask for another one.", {
        reason: "KEY_INVALID",
      });
    },
  };
}
