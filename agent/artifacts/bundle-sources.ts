import { setTimeout as sleep } from "node:timers/promises";
import { type Client, type ClientReadableStream, credentials } from "@grpc/grpc-js";
import { AgentClient } from "#proto/rouse/agent/v1/agent.ts";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../../sdk/errors.ts";
import { callError } from "../../sdk/grpc.ts";
import type { BundlePlaces } from "./places.ts";

/** So long the registry may be silent before others are asked as well, ms. */
const PATIENCE_MS = 500;
/** So many others are asked at once. */
const AT_ONCE = 8;
/** Another that is silent for so long has no bundle for us, ms. */
const SILENT_MS = 3_000;

const OPTIONS = {
  "grpc.enable_http_proxy": 0,
  // A host that dies leaves connections that lead nowhere.
  "grpc.keepalive_time_ms": 5_000,
  "grpc.keepalive_timeout_ms": 3_000,
};

/** Somebody who has begun to give a bundle. */
export interface BundleSource {
  /** "host:port". */
  readonly address: string;
  /** Throws what the call ends with. */
  readonly pieces: AsyncIterable<Buffer>;
  close(): void;
}

/** Finds somebody who has a bundle: the registry, or else another registry or agent of the mesh. */
export class BundleSources {
  readonly #registry: string;
  readonly #others: (digest: string) => Promise<BundlePlaces>;

  /** @param registry "host:port". */
  constructor(registry: string, others: (digest: string) => Promise<BundlePlaces>) {
    this.#registry = registry;
    this.#others = others;
  }

  /**
   * Opens a bundle at the first who gives it.
   *
   * @param broken Those who have failed with it already, and how: they are not asked again.
   * @throws RouseError FAILED_PRECONDITION BUNDLE_UNKNOWN, UNAVAILABLE REGISTRY_UNREACHABLE; what the registry's call ends with otherwise.
   */
  async open(digest: string, broken: ReadonlyMap<string, RouseError>): Promise<BundleSource> {
    const failed = broken.get(this.#registry);
    const registry =
      failed === undefined
        ? ask(
            new RegistryClient(this.#registry, credentials.createInsecure(), OPTIONS),
            this.#registry,
            digest,
          )
        : { answer: Promise.reject(failed), giveUp: () => undefined };
    const answer = registry.answer.then(
      (source) => ({ source, error: undefined }),
      (error: unknown) => ({ source: undefined, error }),
    );
    const early = await Promise.race([answer, sleep(PATIENCE_MS, undefined, { ref: false })]);
    if (early?.source !== undefined) return early.source;
    // Without Consul nobody else is known.
    const others = await this.#others(digest).catch(() => ({ registries: [], agents: [] }));
    const found = await firstOf(
      digest,
      others,
      (address) => address === this.#registry || broken.has(address),
    );
    if (found !== undefined) {
      registry.giveUp();
      return found;
    }
    const { source, error } = await answer;
    if (source !== undefined) return source;
    throw this.#why(digest, error);
  }

  #why(digest: string, error: unknown): RouseError {
    const known = callError(error);
    if (known.status === "NOT_FOUND")
      return new RouseError(
        "FAILED_PRECONDITION",
        `Neither the registry at ${this.#registry} nor another host has the bundle ${digest}. Run "rouse register" again.`,
        { reason: "BUNDLE_UNKNOWN", cause: error },
      );
    if (known.status !== "UNAVAILABLE") return known;
    return new RouseError(
      "UNAVAILABLE",
      `The registry at ${this.#registry} does not answer, and no other host has the bundle ${digest} (${known.message}).`,
      { reason: "REGISTRY_UNREACHABLE", cause: error },
    );
  }
}

interface Asked {
  readonly answer: Promise<BundleSource>;
  /** Closes it, now or when it answers. */
  giveUp(): void;
}

/** The first of the others who gives it; undefined: nobody does. */
async function firstOf(
  digest: string,
  { registries, agents }: BundlePlaces,
  isOut: (address: string) => boolean,
): Promise<BundleSource | undefined> {
  const givers = [
    ...registries.map((address) => ({ address, Client: RegistryClient })),
    ...agents.map((address) => ({ address, Client: AgentClient })),
  ].filter(({ address }) => !isOut(address));
  for (let n = 0; n < givers.length; n += AT_ONCE) {
    const asked = givers.slice(n, n + AT_ONCE).map(({ address, Client }) => {
      const client: Giver = new Client(address, credentials.createInsecure(), OPTIONS);
      return { address, ...ask(client, address, digest, SILENT_MS) };
    });
    const found = await Promise.any(asked.map(({ answer }) => answer)).catch(() => undefined);
    for (const { address, giveUp } of asked) if (address !== found?.address) giveUp();
    if (found !== undefined) return found;
  }
  return undefined;
}

type Giver = Client & { getBundle(request: { digest: string }): ClientReadableStream<{ chunk: Buffer }> };

/** Asks for a bundle. The answer comes with its first piece. */
function ask(client: Giver, address: string, digest: string, silentMs?: number): Asked {
  const call = client.getBundle({ digest });
  // Who has given it up looks at no error any more.
  call.on("error", () => undefined);
  const close = () => {
    call.cancel();
    client.close();
  };
  const timer = silentMs === undefined ? undefined : setTimeout(() => call.cancel(), silentMs);
  const pieces = (call as AsyncIterable<{ chunk: Buffer }>)[Symbol.asyncIterator]();
  const answer = pieces.next().then(
    (head) => {
      clearTimeout(timer);
      return { address, pieces: from(head, pieces), close };
    },
    (thrown: unknown) => {
      clearTimeout(timer);
      close();
      throw callError(thrown);
    },
  );
  answer.catch(() => undefined);
  return { answer, giveUp: close };
}

async function* from(
  head: IteratorResult<{ chunk: Buffer }>,
  rest: AsyncIterator<{ chunk: Buffer }>,
): AsyncGenerator<Buffer> {
  for (let next = head; next.done !== true; next = await rest.next()) yield next.value.chunk;
}
