import type { Caller } from "../access.ts";
import type { ConsulClient } from "../consul.ts";
import { providerKeyKey } from "../keys.ts";
import { readKey } from "../kv.ts";
import { providerKeySchema } from "../providers/records.ts";
import { parseValue } from "../service-record.ts";
import { buildFailed } from "./failure.ts";

/**
 * Checks that the key which asked for a build is still good; a build may have waited long.
 *
 * @throws RouseError BUILD_FAILED.
 */
export async function checkKey(consul: ConsulClient, caller: Caller): Promise<void> {
  if (caller.administrator) return;
  const item = await readKey(consul, providerKeyKey(caller.keyId));
  const record = item === undefined ? undefined : parseValue(providerKeySchema, item);
  if (record !== undefined && record.revokedAtMs === 0) return;
  throw buildFailed(
    `The key by which ${caller.id} asked for this build was revoked meanwhile. Start it again with a good one.`,
  );
}
