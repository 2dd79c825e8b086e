import type { Metadata } from "@grpc/grpc-js";
import type { ProvidersServer } from "#proto/rouse/registry/v1/providers.ts";
import { answer } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Caller } from "../access.ts";
import type { RegistryContext } from "../context.ts";
import { checkProvider } from "./check.ts";
import { createKey, createProvider, listProviders, revokeKey } from "./store.ts";

/** The service rouse.registry.v1.Providers. */
export function providersService({ access, consul, openRegistration }: RegistryContext): ProvidersServer {
  /** Who calls; undefined for a call without key. */
  const callerOf = async (metadata: Metadata): Promise<Caller | undefined> =>
    metadata.get("authorization").length === 0 ? undefined : access.identify(metadata);
  return {
    createProvider: answer(async (request, metadata) => {
      if (openRegistration !== true && (await callerOf(metadata))?.administrator !== true) throw closed();
      return createProvider(consul, checkProvider(request), Date.now());
    }),
    listProviders: answer(async (_, metadata) => {
      const caller = await callerOf(metadata);
      const providers = await listProviders(consul);
      const mine = (id: string) => caller !== undefined && (caller.administrator || caller.id === id);
      return { providers: providers.map((one) => (mine(one.id) ? one : { ...one, keys: [] })) };
    }),
    createKey: answer(async ({ provider }, metadata) => {
      checkSelf(await access.identify(metadata), provider);
      return createKey(consul, provider, Date.now());
    }),
    revokeKey: answer(async ({ provider, keyId }, metadata) => {
      checkSelf(await access.identify(metadata), provider);
      await revokeKey(consul, provider, keyId, Date.now());
      return {};
    }),
    whoAmI: answer(async (_, metadata) => {
      const { id, administrator, keyId } = await access.identify(metadata);
      return { provider: administrator ? "" : id, administrator, keyId };
    }),
  };
}

function closed(): RouseError {
  return new RouseError(
    "PERMISSION_DENIED",
    "In this mesh the administrator makes the providers. Ask for one, or let the mesh be started with --open-registration, by which anybody may make one.",
    { reason: "REGISTRATION_CLOSED" },
  );
}

function checkSelf(caller: Caller, provider: string): void {
  if (caller.administrator || caller.id === provider) return;
  throw new RouseError(
    "PERMISSION_DENIED",
    `Your key is ${caller.id}'s: it cannot change the keys of ${JSON.stringify(provider.slice(0, 60))}. Use a key of that provider, or the administrator's.`,
    { reason: "NOT_YOUR_PROVIDER", metadata: { caller: caller.id } },
  );
}
