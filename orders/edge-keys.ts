import type { IncomingMessage } from "node:http";
import { Metadata, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { EDGE_HEADER } from "../mesh-config/resources/registry-routes.ts";
import type { Access } from "../registry/access.ts";
import { statusObject } from "../sdk/answer.ts";
import { RouseError } from "../sdk/errors.ts";

/** What is free: to start a call that may be made plainly as well, and what one must know an id for, which nobody guesses. */
const FREE = new RegExp(
  `^/rouse\\.orders\\.v1\\.(${[
    "Operations/(Start|Get|Wait|Watch|Cancel)Operation",
    "Orders/(Get|Wait|Watch|Cancel)Order",
    "Orders/OrderLogs",
  ].join("|")})$`,
);

/**
 * Lets callers at the edge see and change nothing but what they know the id of, unless they bring a provider's key. Calls of the mesh's
 * own services and of those who administer it do not come through the edge.
 */
export function keysAtEdge(access: Access): ServerInterceptor {
  return (method, call) => {
    if (FREE.test(method.path)) return new ServerInterceptingCall(call);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata(metadata, pass) {
            if (metadata.get(EDGE_HEADER).length === 0) return pass(metadata);
            access.identify(metadata).then(
              () => pass(metadata),
              (thrown) => call.sendStatus(statusObject(explained(thrown))),
            );
          },
        }),
    });
  };
}

/** Where the site leaves the key for what a browser fetches by itself: images, downloads. */
export const KEY_COOKIE = "rouse-key";

/** Asks for a key where one is needed. */
export type ContentGuard = (request: Pick<IncomingMessage, "method" | "headers">) => Promise<void>;

/**
 * The same for contents over HTTP. What is only read may be asked for with the cookie of the site; a change says its key itself, as a
 * browser brings cookies along for whoever makes it ask.
 *
 * @throws RouseError UNAUTHENTICATED KEY_MISSING, KEY_INVALID.
 */
export function contentKeysAtEdge(access: Access): ContentGuard {
  return async ({ method, headers }) => {
    if (headers[EDGE_HEADER] === undefined) return;
    const reads = method === "GET" || method === "HEAD";
    const kept = reads ? cookieOf(headers.cookie ?? "") : undefined;
    const said = headers.authorization ?? (kept === undefined ? undefined : `Bearer ${kept}`);
    const metadata = new Metadata();
    if (said !== undefined) metadata.set("authorization", said);
    await access.identify(metadata).catch((thrown: unknown) => {
      throw explained(thrown);
    });
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
