import { randomBytes } from "node:crypto";
import { hashKey } from "../access.ts";
import { providerKeyKey } from "../keys.ts";
import type { TransactionStep } from "../kv.ts";

const SECRET_BYTES = 32;
const ID_BYTES = 6;

export interface NewKey {
  /** "rouse_<key id>_<secret>". */
  readonly key: string;
  readonly keyId: string;
  /** Writes its hash. */
  readonly step: TransactionStep;
}

/** Makes a key of a provider. */
export function newKey(provider: string, nowMs: number): NewKey {
  const keyId = randomBytes(ID_BYTES).toString("hex");
  const key = `rouse_${keyId}_${randomBytes(SECRET_BYTES).toString("base64url")}`;
  const value = JSON.stringify({ provider, hash: hashKey(key), createdAtMs: nowMs, revokedAtMs: 0 });
  return { key, keyId, step: { verb: "cas", key: providerKeyKey(keyId), index: 0, value } };
}
