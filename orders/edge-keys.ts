import type { IncomingMessage } from "node:http";
import { Metadata, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { EDGE_HEADER } from "../mesh-config/resources/registry-routes.ts";
import type { Access } from "../registry/access.ts";
import { statusObject } from "../sdk/answer.ts";
import { RouseError } from "../sdk/errors.ts";
import { PROVIDER_HEADER } from "./who.ts";

/** What is free: to start a call that may be made plainly as well, and what one must know an id for, which nobody guesses. */
const FREE = new RegExp(
  `^/rouse\\.orders\\.v1\\.(${[
    "Operations/(Start|Get|Wait|Watch|Cancel)Operation",
    "Orders/(Get|Wait|Watch|Cancel)Order",
    "Orders/OrderLogs",
  ].join("|")})$`,
);

/** What is asked of callers at the edge. */
export interface EdgeKeys {
  readonly access: Access;
  /** Without a key, callers see and change nothing but what they know the id of. Default: a key tells who it is, and none is needed. */
  readonly guarded: boolean;
}

/**
 * Finds out whose key a call at the edge brings, and notes it for the handlers (PROVIDER_HEADER). Calls of the mesh's own services and of
 * those who administer it do not come through the edge.
 */
export function keysAtEdge({ access, guarded }: EdgeKeys): ServerInterceptor {
  return (method, call) => {
    const free = !guarded || FREE.test(method.path);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata(metadata, pass) {
            metadata.remove(PROVIDER_HEADER);
            const brings = metadata.get("authorization").length > 0;
            if (metadata.get(EDGE_HEADER).length === 0 || (free && !brings)) return pass(metadata);
            whose(access, metadata, free).then(
              (provider) => {
                if (provider !== undefined) metadata.set(PROVIDER_HEADER, provider);
                pass(metadata);
              },
              (thrown) => call.sendStatus(statusObject(thrown)),
            );
          },
        }),
    });
  };
}

/** @returns undefined for a key that is none of ours where none is needed: what stands before the edge may have its own. */
async function whose(access: Access, metadata: Metadata, free: boolean): Promise<string | undefined> {
  try {
    return (await access.identify(metadata)).id;
  } catch (thrown) {
    const error = explained(thrown);
    if (free && error.status === "UNAUTHENTICATED") return undefined;
    throw error;
  }
}

/** Where the site leaves the key for what a browser fetches by itself: images, downloads. */
export const KEY_COOKIE = "rouse-key";

/** Asks for a key where one is needed, and notes in the headers whose it is. */
export type ContentGuard = (request: Pick<IncomingMessage, "method" | "headers">) => Promise<void>;

/**
 * The same for contents over HTTP. What is only read may be asked for with the cookie of the site; a change says its key itself, as a
 * browser brings cookies along for whoever makes it ask.
 *
 * @throws RouseError UNAUTHENTICATED KEY_MISSING, KEY_INVALID.
 */
export function contentKeysAtEdge({ access, guarded }: EdgeKeys): ContentGuard {
  return async ({ method, headers }) => {
    delete headers[PROVIDER_HEADER];
    if (headers[EDGE_HEADER] === undefined) return;
    const reads = method === "GET" || method === "HEAD";
    // Nothing is noted of who reads.
    if (!guarded && (reads || headers.authorization === undefined)) return;
    const kept = reads ? cookieOf(headers.cookie ?? "") : undefined;
    const said = headers.authorization ?? (kept === undefined ? undefined : `Bearer ${kept}`);
    const metadata = new Metadata();
    if (said !== undefined) metadata.set("authorization", said);
    const provider = await whose(access, metadata, !guarded);
    if (provider !== undefined) headers[PROVIDER_HEADER] = provider;
  };
}

function cookieOf(cookies: string): string | undefined {
  const own = cookies.split("; ").find((cookie) => cookie.startsWith(`${KEY_COOKIE}=`));
  return own?.slice(KEY_COOKIE.length + 1);
}

function explained(thrown: unknown): RouseError {
  const error = RouseError.from(thrown);
  if (error.reason !== "KEY_MISSING") return error;
  return new RouseError(
    error.status,
    `At the edge of this mesh (--guard-work) one may start async calls, and follow and cancel operations and orders by their ids. ${error.message}`,
    { reason: error.reason, cause: error },
  );
}
