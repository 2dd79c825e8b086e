import { useEffect, useState } from "preact/hooks";
import { type BrowserClientOptions, RouseError } from "rouse/browser";
import { createCatalogBrowserClient } from "../gen/rouse/catalog/v1/catalog.browser.ts";

export { RouseError };

/** Calls go to the page's own origin: the edge serves both the site and the gRPC-web calls. */
export const catalog = createCatalogBrowserClient();

const storage = "rouse-key";

/** The provider's or administrator's key, for this tab only; undefined: none was entered. */
export function storedKey(): string | undefined {
  return sessionStorage.getItem(storage) ?? undefined;
}

const keyReaders = new Set<() => void>();

/** Keeps a key until the tab is closed; undefined forgets it. */
export function storeKey(key: string | undefined): void {
  if (key === undefined || key === "") sessionStorage.removeItem(storage);
  else sessionStorage.setItem(storage, key);
  leaveKeyForContents();
  afterPress(() => {
    for (const reader of [...keyReaders]) reader();
  });
}

let isPressed = false;
for (const type of ["pointerdown", "pointerup", "pointercancel"])
  addEventListener(type, () => (isPressed = type === "pointerdown"), true);

/** A press on a button ends the entry of a field first: were the page drawn anew right then, the button would move away under it. */
function afterPress(act: () => void): void {
  if (!isPressed) act();
  else addEventListener("pointerup", () => setTimeout(act), { once: true });
}

/** Hears when a key is kept or forgotten. @returns ends it. */
function onKey(reader: () => void): () => void {
  keyReaders.add(reader);
  return () => void keyReaders.delete(reader);
}

/** {@link storedKey}; the component is drawn again with each change. */
export function useStoredKey(): string | undefined {
  const [key, setKey] = useState(storedKey);
  useEffect(() => onKey(() => setKey(storedKey())), []);
  return key;
}

/** Asks again with the key that is entered after somebody was refused for want of one. */
export function useAgainWithKey(error: RouseError | undefined, again: () => void): void {
  useEffect(() => (wantsKey(error) ? onKey(again) : undefined), [error]);
}

/** True when the server wants to know who asks. */
export function wantsKey(error: RouseError | undefined): boolean {
  return error?.status === "UNAUTHENTICATED";
}

/** How long a key is left for contents, s: long enough to see them, as it is not forgotten with the tab. */
const CONTENTS_S = 3_600;

/** Leaves the key where the browser finds it for contents that it fetches by itself: pictures and downloads of artifacts. */
export function leaveKeyForContents(): void {
  const key = storedKey();
  const secure = location.protocol === "https:" ? "; secure" : "";
  const age = key === undefined ? 0 : CONTENTS_S;
  // biome-ignore lint/suspicious/noDocumentCookie: not every browser has the other way, and that one only over HTTPS.
  document.cookie = `rouse-key=${encodeURIComponent(key ?? "")}; path=/content; max-age=${age}; samesite=strict${secure}`;
}

/** Call options that carry the key, for calls that change something. */
export function withKey(): { metadata: Record<string, string> } {
  const key = storedKey();
  return { metadata: key === undefined ? {} : { authorization: `Bearer ${key}` } };
}

/** For clients of work, whose lists may want a key as well (`rouse up --guard-work`). */
export const withKeyAlways: BrowserClientOptions = {
  get metadata() {
    return withKey().metadata;
  },
};

/** True for what a registry of another version does not have: worth a note, not an alarm. */
export function isUnimplemented(error: unknown): boolean {
  return error instanceof RouseError && error.status === "UNIMPLEMENTED";
}

/** True when the caller gave the call up itself. */
export function isCancelled(error: unknown): boolean {
  return error instanceof RouseError && error.reason === "CALL_CANCELLED";
}
