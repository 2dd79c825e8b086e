import { z } from "zod";
import { RouseError } from "../sdk/errors.ts";
import { ADMINISTRATOR, type Caller } from "./access.ts";
import type { ConsulClient } from "./consul.ts";
import { nameKey, OWNERS_PREFIX, ownerKey, providerKey } from "./keys.ts";
import { listKeys, readKey, type TransactionStep } from "./kv.ts";
import { lookOf } from "./look-alike.ts";
import { providerSchema } from "./providers/records.ts";
import { parseValue, unchanged } from "./service-record.ts";

/** Value of rouse/owners/<look of the service's name>. It stays when the last version is withdrawn. */
export const ownerSchema = z.object({
  /** The name as it was registered. */
  service: z.string(),
  /** Provider id, or "administrator". */
  provider: z.string(),
  sinceMs: z.number(),
});

interface Owned {
  readonly owner: z.infer<typeof ownerSchema> | undefined;
  /** ModifyIndex of the owner's key; 0 when there is none. */
  readonly index: number;
  /** The service, or one that looks like it, has versions. */
  readonly alive: boolean;
}

/**
 * Who owns a service: the provider that registered it first, or "administrator"; undefined when nobody ever registered it.
 */
export async function ownerOf(
  { consul }: { readonly consul: ConsulClient },
  service: string,
): Promise<string | undefined> {
  const { owner, alive } = await readOwner(consul, service);
  if (owner?.service === service) return owner.provider;
  // Registered before there were providers.
  return alive && owner === undefined ? ADMINISTRATOR : undefined;
}

/** Services that a provider owns. */
export async function servicesOf(
  { consul }: { readonly consul: ConsulClient },
  provider: string,
): Promise<string[]> {
  const owners = (await listKeys(consul, OWNERS_PREFIX)).map((item) => parseValue(ownerSchema, item));
  return owners.filter((owner) => owner.provider === provider).map(({ service }) => service);
}

/**
 * Lets the owner of a service and the administrator pass, and everybody when nobody ever registered it.
 *
 * @throws RouseError PERMISSION_DENIED NOT_YOUR_SERVICE says whose it is.
 */
export async function mayChange(
  context: { readonly consul: ConsulClient },
  caller: Caller,
  service: string,
): Promise<void> {
  if (caller.administrator) return;
  const owner = await ownerOf(context, service);
  if (owner !== undefined && owner !== caller.id)
    throw await notYours(context.consul, service, owner, caller);
}

/**
 * Makes the caller the owner of a service that nobody owns, as steps of the transaction that registers a version.
 *
 * @throws RouseError PERMISSION_DENIED NOT_YOUR_SERVICE, ALREADY_EXISTS SERVICE_NAME_TAKEN for a name that looks like another's.
 */
export async function claim(
  consul: ConsulClient,
  caller: Caller,
  service: string,
  nowMs: number,
): Promise<TransactionStep> {
  const key = ownerKey(lookOf(service));
  const { owner, index, alive } = await readOwner(consul, service);
  if (owner?.service === service) {
    if (!caller.administrator && owner.provider !== caller.id)
      throw await notYours(consul, service, owner.provider, caller);
    return unchanged(key, index);
  }
  if (owner !== undefined && (alive || !(caller.administrator || owner.provider === caller.id))) {
    throw new RouseError(
      "ALREADY_EXISTS",
      `${service} can be taken for ${owner.service}, which ${nameOf(owner.provider)} registered: they differ only in letters that look alike, or by case. Rename the service in its contract.`,
      { reason: "SERVICE_NAME_TAKEN", metadata: { service, registered: owner.service } },
    );
  }
  if (owner === undefined && alive && !caller.administrator)
    throw await notYours(consul, service, ADMINISTRATOR, caller);
  const value = JSON.stringify({ service, provider: caller.id, sinceMs: nowMs });
  return { verb: "cas", key, index, value };
}

async function readOwner(consul: ConsulClient, service: string): Promise<Owned> {
  const item = await readKey(consul, ownerKey(lookOf(service)));
  const owner = item === undefined ? undefined : parseValue(ownerSchema, item);
  const name = await readKey(consul, nameKey(owner?.service ?? service));
  return { owner, index: item?.ModifyIndex ?? 0, alive: name !== undefined };
}

async function notYours(
  consul: ConsulClient,
  service: string,
  owner: string,
  caller: Caller,
): Promise<RouseError> {
  const item = owner === ADMINISTRATOR ? undefined : await readKey(consul, providerKey(owner));
  const provider = item === undefined ? undefined : parseValue(providerSchema, item);
  const contact = provider?.contact ? ` (${provider.contact})` : "";
  const others = owner === ADMINISTRATOR ? "only the administrator" : `only ${owner} and the administrator`;
  return new RouseError(
    "PERMISSION_DENIED",
    `${service} belongs to ${nameOf(owner)}${contact}; your key is ${caller.id}'s, and ${others} may change it. Ask them, or register the service under a name of your own.`,
    { reason: "NOT_YOUR_SERVICE", metadata: { service, owner, caller: caller.id } },
  );
}

function nameOf(owner: string): string {
  return owner === ADMINISTRATOR ? "the administrator" : owner;
}
