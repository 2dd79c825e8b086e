import { RouseError } from "rouse/browser";
import { createCatalogBrowserClient } from "../gen/rouse/catalog/v1/catalog.browser.ts";

export { RouseError };

/** Calls go to the page's own origin: the edge serves both the site and the gRPC-web calls. */
export const catalog = createCatalogBrowserClient();

const storage = "rouse-key";

/** The provider's or administrator's key, for this tab only; undefined: none was entered. */
export function storedKey(): string | undefined {
  return sessionStorage.getItem(storage) ?? undefined;
}

/** Keeps a key until the tab is closed; undefined forgets it. */
export function storeKey(key: string | undefined): void {
  if (key === undefined || key === "") sessionStorage.removeItem(storage);
  else sessionStorage.setItem(storage, key);
}

/** Call options that carry the key, for calls that change something. */
export function withKey(): { metadata: Record<string, string> } {
  const key = storedKey();
  return { metadata: key === undefined ? {} : { authorization: `Bearer ${key}` } };
}

/** True for what a registry of another version does not have: worth a note, not an alarm. */
export function isUnimplemented(error: unknown): boolean {
  return error instanceof RouseError && error.status === "UNIMPLEMENTED";
}

/** True when the caller gave the call up itself. */
export function isCancelled(error: unknown): boolean {
  return error instanceof RouseError && error.reason === "CALL_CANCELLED";
}
