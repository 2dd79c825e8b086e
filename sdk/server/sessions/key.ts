import type { Metadata } from "@grpc/grpc-js";

/** Request header that counts how many instances passed a call on. Envoy takes it off calls from the outside. */
export const HOPS_HEADER = "rouse-session-hops";

/**
 * Trailer of an instance that had to pass on what was passed on to it: the session has moved. Who gets it looks for the session
 * anew, and callers do not see it.
 */
export const MOVED_TRAILER = "rouse-session-moved";

/** The key of the call's session; undefined: it has none. */
export function keyOf(metadata: Metadata, header: string): string | undefined {
  const [key] = metadata.get(header);
  return typeof key === "string" && key !== "" ? key : undefined;
}
