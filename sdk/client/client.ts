import type { ServiceDefinition } from "../definition.ts";
import { type ClientContext, defaultTarget } from "./attempt.ts";
import { callMany, callOnce } from "./calls.ts";
import { shareChannel } from "./channel.ts";
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
  const channel = shareChannel(defaultTarget(options), options.maxResponseBytes ?? 64 * 2 ** 20);
  const context: ClientContext = {
    channel,
    definition,
    version: options.version,
    retries: options.retries ?? 3,
  };
  const client: Record<string | symbol, unknown> = {
    close: channel.release,
    [Symbol.dispose]: channel.release,
  };
  for (const [name, method] of Object.entries(definition.methods)) {
    const call = method.responseStream ? callMany : callOnce;
    client[name] = (request: unknown, callOptions?: ClientCallOptions) =>
      call(context, method, request, callOptions);
  }
  return client as Client<Definition>;
}
