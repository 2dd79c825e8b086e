import type { ServiceDefinition } from "../definition.ts";
import { RouseError } from "../errors.ts";
import { KEY_HEADER } from "../operation-header.ts";
import { type ClientContext, defaultTarget } from "./attempt.ts";
import { callMany, callOnce } from "./calls.ts";
import { type SharedChannel, shareChannel } from "./channel.ts";
import { directRoute, envoyRoute } from "./route.ts";
import type { Client, ClientCallOptions, ClientOptions } from "./types.ts";

/**
 * A client of a service. Inside the mesh it finds the mesh by itself (ROUSE_MESH); the connection is made with the
 * first call and shared by all clients of the same target.
 *
 * Calls throw RouseErrors with the status, reason and metadata that the server sent.
 *
 * @throws RouseError TARGET_INVALID (INVALID_ARGUMENT).
 */
export function createClient<Definition extends ServiceDefinition>(
  definition: Definition,
  options: ClientOptions = {},
): Client<Definition> {
  const target = defaultTarget(options);
  const maxResponseBytes = options.maxResponseBytes ?? 64 * 2 ** 20;
  const channel = shareChannel(target, maxResponseBytes);
  const route = balancesItself(definition, options)
    ? directRoute(channel, async () => {
        const { DirectRoute } = await import("./direct.ts");
        const { name: service } = definition;
        const mesh = shareChannel(target, maxResponseBytes);
        return new DirectRoute({
          mesh,
          meshTarget: target,
          service,
          version: options.version,
          maxResponseBytes,
        });
      })
    : envoyRoute(channel);
  const context: ClientContext = {
    route,
    definition,
    version: options.version,
    retries: options.retries ?? 3,
    maxResponseBytes,
  };
  const client: Record<string | symbol, unknown> = {
    async: lazyAsync(definition, options.version, channel),
    close: route.close,
    [Symbol.dispose]: route.close,
  };
  for (const [name, method] of Object.entries(definition.methods)) {
    if (method.mode === "job") continue;
    const call = method.durable
      ? durableCall(options.version, channel)
      : method.responseStream
        ? callMany
        : callOnce;
    client[name] = (request: unknown, callOptions?: ClientCallOptions) =>
      call(context, method, request, callOptions);
  }
  return client as Client<Definition>;
}

/** Most clients make no async calls, and need not load what they take. */
function lazyAsync(definition: ServiceDefinition, version: string | undefined, channel: SharedChannel) {
  const out: Record<string, unknown> = {};
  for (const [name, { mode }] of Object.entries(definition.methods)) {
    if (mode === "sync" || mode === "job") continue;
    out[name] = async (request: unknown, callOptions: unknown) => {
      const { asyncMethods } = await import("./operations.ts");
      const method = asyncMethods(definition, version, channel)[name] as (...args: unknown[]) => unknown;
      return method(request, callOptions);
    };
  }
  return out;
}

/** A durable method's run is started, and its end awaited; a server outside of a mesh runs it by itself. */
function durableCall(version: string | undefined, channel: SharedChannel): typeof callOnce {
  return async (context, method, request, options = {}) => {
    const { definition } = context;
    const { startAndWait } = await import("./start-and-wait.ts");
    try {
      const headers = authorizationOf(options);
      return await startAndWait({ definition, method, version, channel }, request, { ...options, headers });
    } catch (thrown) {
      const error = RouseError.from(thrown);
      if (error.status !== "UNIMPLEMENTED" || error.reason !== "UNIMPLEMENTED") throw error;
      const { key, metadata = {} } = options;
      const headers = key === undefined ? metadata : { ...metadata, [KEY_HEADER]: key };
      return callOnce(context, method, request, { ...options, metadata: headers });
    }
  };
}

/** The key by which a run is its caller's; a run gets no other headers. */
function authorizationOf({ metadata = {} }: ClientCallOptions): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).filter(([name]) => name.toLowerCase() === "authorization"),
  );
}

/** Clients that no agent started are mostly outside of the mesh, where nobody tells them of instances. */
function balancesItself({ balancing, sessionKey }: ServiceDefinition, options: ClientOptions): boolean {
  const byContract = balancing === "client" && options.target === undefined && !!process.env.ROUSE_MESH;
  const wanted = options.balancing === undefined ? byContract : options.balancing === "client";
  return wanted && sessionKey === "";
}
