import { ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
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

function explained(thrown: unknown): RouseError {
  const error = RouseError.from(thrown);
  if (error.reason !== "KEY_MISSING") return error;
  return new RouseError(
    error.status,
    `At the edge of this mesh (--guard-work) one may start async calls, and follow and cancel operations and orders by their ids. ${error.message}`,
    { reason: error.reason, cause: error },
  );
}
