import type { ServiceDefinition } from "../definition.ts";
import { serve } from "../server/serve.ts";
import type { Handlers, ServeOptions, StatefulServeOptions } from "../server/types.ts";

/** A service that runs in the test's own process. */
export interface InProcessServer extends AsyncDisposable {
  /** For `createClient`: "127.0.0.1:port". */
  readonly target: string;
  /** Stops the service; calls that are open after 1 s are cut. */
  close(): Promise<void>;
}

/**
 * Starts a service in this process, on a free loopback port: real gRPC, no mesh. It leaves signals and ROUSE_NOTIFY
 * alone.
 *
 * @throws RouseError as `serve` does.
 */
export function startInProcess<Definition extends ServiceDefinition, State>(
  definition: Definition,
  handlers: Handlers<Definition, State>,
  options: StatefulServeOptions<State>,
): Promise<InProcessServer>;
export function startInProcess<Definition extends ServiceDefinition>(
  definition: Definition,
  handlers: Handlers<Definition, undefined>,
  options?: ServeOptions,
): Promise<InProcessServer>;
export async function startInProcess<Definition extends ServiceDefinition>(
  definition: Definition,
  handlers: Handlers<Definition, undefined>,
  options: ServeOptions = {},
): Promise<InProcessServer> {
  const server = await serve(definition, handlers, {
    listen: "127.0.0.1:0",
    graceMs: 1_000,
    ...options,
    handleSignals: false,
    notify: false,
  });
  const close = () => server.stop();
  return { target: server.address, close, [Symbol.asyncDispose]: close };
}
