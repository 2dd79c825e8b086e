import type { CreateProviderRequest, Provider } from "#proto/rouse/registry/v1/providers.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { ConsulClient } from "../consul.ts";
import {
  KEYS_PREFIX,
  OWNERS_PREFIX,
  PROVIDERS_PREFIX,
  providerKey,
  providerKeyKey,
  providerLookKey,
} from "../keys.ts";
import { decodeValue, listKeyNames, listKeys, readKey, transact } from "../kv.ts";
import { looksOf } from "../look-alike.ts";
import { ownerSchema } from "../ownership.ts";
import { parseValue } from "../service-record.ts";
import { newKey } from "./keys.ts";
import { providerKeySchema, providerSchema } from "./records.ts";

/** An open registry must not be filled up by one who makes providers in a loop. */
const MOST_PROVIDERS = 10_000;
/** Keys that are good at the same time, of one provider. */
const MOST_KEYS = 20;
const MOST_TRIES = 8;

/**
 * Makes a provider and its first key.
 *
 * @throws RouseError ALREADY_EXISTS PROVIDER_TAKEN, RESOURCE_EXHAUSTED PROVIDERS_FULL.
 */
export async function createProvider(
  consul: ConsulClient,
  { id, name, contact }: CreateProviderRequest,
  nowMs: number,
): Promise<{ provider: Provider; key: string }> {
  if ((await listKeyNames(consul, PROVIDERS_PREFIX)).length >= MOST_PROVIDERS) {
    throw new RouseError(
      "RESOURCE_EXHAUSTED",
      `This registry has ${MOST_PROVIDERS} providers and takes no more. Ask its administrator.`,
      { reason: "PROVIDERS_FULL" },
    );
  }
  const looks = new Set([...looksOf(id), ...looksOf(name)]);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    await checkFree(consul, id, looks);
    const { key, keyId, step } = newKey(id, nowMs);
    const record = { id, name, contact, createdAtMs: nowMs };
    const written = await transact(consul, [
      { verb: "cas", key: providerKey(id), index: 0, value: JSON.stringify(record) },
      ...[...looks].map((look) => ({
        verb: "cas" as const,
        key: providerLookKey(look),
        index: 0,
        value: id,
      })),
      step,
    ]);
    const keys = [{ id: keyId, createdAtMs: nowMs, revokedAtMs: 0 }];
    if (written) return { provider: { ...record, keys, services: [] }, key };
  }
  throw taken(id, id);
}

async function checkFree(consul: ConsulClient, id: string, looks: ReadonlySet<string>): Promise<void> {
  const [own, ...others] = await Promise.all([
    readKey(consul, providerKey(id)),
    ...[...looks].map((look) => readKey(consul, providerLookKey(look))),
  ]);
  if (own !== undefined) throw taken(id, id);
  const other = others.find((item) => item !== undefined);
  if (other !== undefined) throw taken(id, decodeValue(other).toString("utf8"));
}

function taken(id: string, by: string): RouseError {
  const what =
    id === by
      ? `There is a provider ${id} already. If it is yours, use its key (ROUSE_KEY) or let the administrator make another one`
      : `"${id}" (or the name given for it) can be taken for the provider ${by}: they differ only by case or in letters that look alike`;
  return new RouseError("ALREADY_EXISTS", `${what}; else choose another id and name.`, {
    reason: "PROVIDER_TAKEN",
    metadata: { id, taken: by },
  });
}

/** All providers with their keys and services, by id. */
export async function listProviders(consul: ConsulClient): Promise<Provider[]> {
  const [providers, keys, owners] = await Promise.all([
    listKeys(consul, PROVIDERS_PREFIX),
    listKeys(consul, KEYS_PREFIX),
    listKeys(consul, OWNERS_PREFIX),
  ]);
  const keysOf = Map.groupBy(
    keys.map((item) => ({ id: item.Key.slice(KEYS_PREFIX.length), ...parseValue(providerKeySchema, item) })),
    ({ provider }) => provider,
  );
  const servicesOf = Map.groupBy(
    owners.map((item) => parseValue(ownerSchema, item)),
    ({ provider }) => provider,
  );
  return providers.map((item) => {
    const record = parseValue(providerSchema, item);
    return {
      ...record,
      keys: (keysOf.get(record.id) ?? [])
        .map(({ id, createdAtMs, revokedAtMs }) => ({ id, createdAtMs, revokedAtMs }))
        .sort((a, b) => a.createdAtMs - b.createdAtMs),
      services: (servicesOf.get(record.id) ?? []).map(({ service }) => service).sort(),
    };
  });
}

/**
 * Makes one more key of a provider.
 *
 * @throws RouseError NOT_FOUND PROVIDER_UNKNOWN, RESOURCE_EXHAUSTED KEYS_FULL.
 */
export async function createKey(
  consul: ConsulClient,
  provider: string,
  nowMs: number,
): Promise<{ key: string; keyId: string }> {
  await checkProviderKnown(consul, provider);
  const keys = (await listKeys(consul, KEYS_PREFIX)).map((item) => parseValue(providerKeySchema, item));
  const good = keys.filter((key) => key.provider === provider && key.revokedAtMs === 0);
  if (good.length >= MOST_KEYS) {
    throw new RouseError(
      "RESOURCE_EXHAUSTED",
      `${provider} has ${good.length} keys that are good. Revoke those that nobody uses: rouse provider key revoke ${provider} KEY_ID`,
      { reason: "KEYS_FULL", metadata: { provider } },
    );
  }
  const { key, keyId, step } = newKey(provider, nowMs);
  await transact(consul, [step]);
  return { key, keyId };
}

/**
 * Ends a key at once; one that has ended already stays so.
 *
 * @throws RouseError NOT_FOUND PROVIDER_UNKNOWN or KEY_UNKNOWN.
 */
export async function revokeKey(
  consul: ConsulClient,
  provider: string,
  keyId: string,
  nowMs: number,
): Promise<void> {
  await checkProviderKnown(consul, provider);
  for (;;) {
    const item = /^[0-9a-f]{12}$/.test(keyId) ? await readKey(consul, providerKeyKey(keyId)) : undefined;
    const record = item === undefined ? undefined : parseValue(providerKeySchema, item);
    if (item === undefined || record?.provider !== provider) {
      throw new RouseError(
        "NOT_FOUND",
        `${provider} has no key ${JSON.stringify(keyId.slice(0, 60))}. "rouse provider list" shows the ids of its keys: the part between the first and the second "_" of each.`,
        { reason: "KEY_UNKNOWN", metadata: { provider } },
      );
    }
    if (record.revokedAtMs !== 0) return;
    const value = JSON.stringify({ ...record, revokedAtMs: nowMs });
    if (await transact(consul, [{ verb: "cas", key: item.Key, index: item.ModifyIndex, value }])) return;
  }
}

async function checkProviderKnown(consul: ConsulClient, id: string): Promise<void> {
  if (/^[a-z0-9-]{1,64}$/.test(id) && (await readKey(consul, providerKey(id))) !== undefined) return;
  throw new RouseError(
    "NOT_FOUND",
    `There is no provider ${JSON.stringify(id.slice(0, 60))}. "rouse provider list" shows all; "rouse provider create" makes one.`,
    { reason: "PROVIDER_UNKNOWN" },
  );
}
