import { createClient } from "../client/client.ts";
import type { ClientCallOptions } from "../client/types.ts";
import type { AnyMethodDefinition, ServiceDefinition } from "../definition.ts";
import type { Entry } from "../durable/entry.ts";
import type { RunClientOptions } from "../durable/types.ts";
import { recordOf } from "../error-record.ts";
import { RouseError } from "../errors.ts";
import type { Handlers, ServeOptions, StatefulServeOptions } from "../server/types.ts";
import { type InProcessServer, startInProcess } from "./in-process.ts";

/** A service that a function under test calls. */
export interface TestService {
  readonly definition: ServiceDefinition;
  readonly start: () => Promise<InProcessServer>;
}

/** A service for {@link ReplayOptions.services}: real gRPC within this process. */
export function service<Definition extends ServiceDefinition, State>(
  definition: Definition,
  handlers: Handlers<Definition, State>,
  options: StatefulServeOptions<State>,
): TestService;
export function service<Definition extends ServiceDefinition>(
  definition: Definition,
  handlers: Handlers<Definition, undefined>,
  options?: ServeOptions,
): TestService;
export function service<Definition extends ServiceDefinition>(
  definition: Definition,
  handlers: Handlers<Definition, undefined>,
  options: ServeOptions = {},
): TestService {
  return { definition, start: () => startInProcess(definition, handlers, options) };
}

type AnyClient = Readonly<
  Record<string, (request: unknown, options: ClientCallOptions) => Promise<unknown>>
> & {
  close?(): void;
};

/** Starts services when they are called first. */
export class TestServices {
  readonly #services: ReadonlyMap<string, TestService>;
  readonly #running = new Map<string, Promise<InProcessServer>>();
  readonly #clients = new Map<string, AnyClient>();

  constructor(services: readonly TestService[]) {
    this.#services = new Map(services.map((service) => [service.definition.name, service]));
  }

  /** A plain call. */
  readonly call = async (
    { name }: ServiceDefinition,
    method: string,
    request: unknown,
    _client: RunClientOptions,
    options: ClientCallOptions,
  ): Promise<unknown> => {
    const send = (await this.#client(name))[method] as AnyClient[string];
    return send(request, options);
  };

  /** A call of an async or durable method: how it ends, as a journal keeps it. */
  async operate(call: NonNullable<Entry["call"]>): Promise<Partial<Pick<Entry, "value" | "error">>> {
    try {
      const client = await this.#client(call.service);
      const { definition } = this.#service(call.service);
      const [name, method] = named(definition, call.method);
      const send = client[name] as AnyClient[string];
      const response = await send(method.decodeRequest(call.request), { deadlineMs: 0 });
      const bytes = (method.encodeResponse as (message: unknown) => Uint8Array)(response);
      return { value: Buffer.from(bytes) };
    } catch (thrown) {
      return { error: recordOf(RouseError.from(thrown)) };
    }
  }

  async close(): Promise<void> {
    for (const client of this.#clients.values()) client.close?.();
    await Promise.all([...this.#running.values()].map(async (running) => (await running).close()));
  }

  #service(name: string): TestService {
    const service = this.#services.get(name);
    if (service !== undefined) return service;
    throw new RouseError(
      "FAILED_PRECONDITION",
      `The function calls ${name}, and the test has no such service. Give it one: replay(work, request, { services: [service(Definition, handlers)] }).`,
      { reason: "TEST_SERVICE_MISSING" },
    );
  }

  async #client(name: string): Promise<AnyClient> {
    const { definition, start } = this.#service(name);
    const running = this.#running.get(name) ?? start();
    this.#running.set(name, running);
    const { target } = await running;
    const client = this.#clients.get(name) ?? (createClient(definition, { target }) as unknown as AnyClient);
    this.#clients.set(name, client);
    return client;
  }
}

function named({ methods }: ServiceDefinition, wanted: string): [string, AnyMethodDefinition] {
  const found = Object.entries(methods).find(([, { name }]) => name === wanted);
  if (found !== undefined) return found;
  throw new RouseError("NOT_FOUND", `There is no method ${wanted}.`, { reason: "METHOD_UNKNOWN" });
}
