import {
  Client,
  credentials,
  Metadata,
  type MethodDefinition,
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { listen } from "../../sdk/grpc.ts";

const bytes = { serialize: (value: Buffer) => value, deserialize: (value: Buffer) => value };

function method(path: string, stream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream: stream,
    responseStream: stream,
    requestSerialize: bytes.serialize,
    requestDeserialize: bytes.deserialize,
    responseSerialize: bytes.serialize,
    responseDeserialize: bytes.deserialize,
  };
}

/** A gRPC server of raw bytes under the service's name; unary `Echo` answers its own name and the request, `Chat` streams. */
export async function startEcho(service: string, name: string) {
  const server = new Server({ "grpc.max_receive_message_length": 64 << 20 });
  let calls = 0;
  let refuses = false;
  let holds = false;
  let open = 0;
  const traceparents: string[] = [];
  server.addService(
    { echo: method(`/${service}/Echo`, false), chat: method(`/${service}/Chat`, true) },
    {
      echo: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        calls++;
        traceparents.push(String(call.metadata.get("traceparent")[0] ?? ""));
        if (holds) return;
        if (refuses) callback({ code: status.UNAVAILABLE, details: `${name} refuses` });
        else callback(null, Buffer.concat([Buffer.from(`${name}:`), call.request]));
      },
      chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
        calls++;
        open++;
        call.once("close", () => open--);
        if (holds) return;
        call.on("data", (part: Buffer) => call.write(part));
        call.on("end", () => call.end());
      },
    },
  );
  const address = await listen(server, "127.0.0.1:0");
  return {
    address,
    calls: () => calls,
    /** Streams that are open. */
    open: () => open,
    traceparents: () => traceparents,
    /** From now on unary calls are answered with UNAVAILABLE. */
    refuse: () => {
      refuses = true;
    },
    /** From now on nothing is answered. */
    hold: () => {
      holds = true;
    },
    close: () => server.forceShutdown(),
  };
}

export type Answer = { readonly text: string } | { readonly error: ServiceError };

/** A client of raw bytes. */
export class EchoClient {
  readonly #client: Client;

  constructor(target: string) {
    this.#client = new Client(target, credentials.createInsecure(), {
      "grpc.max_send_message_length": 64 << 20,
      "grpc.initial_reconnect_backoff_ms": 20,
      "grpc.max_reconnect_backoff_ms": 100,
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  /** Never throws, so that a test can look at either. */
  echo(
    service: string,
    text: string | Buffer = "hi",
    options: { version?: string; deadlineMs?: number; metadata?: Record<string, string> } = {},
  ): Promise<Answer> {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
    if (options.version !== undefined) metadata.set("rouse-version", options.version);
    const { requestSerialize, responseDeserialize } = method("", false);
    const deadline = Date.now() + (options.deadlineMs ?? 20_000);
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        `/${service}/Echo`,
        requestSerialize,
        responseDeserialize,
        Buffer.from(text),
        metadata,
        { deadline },
        (error, response) => resolve(error ? { error } : { text: String(response) }),
      );
    });
  }

  chat(service: string, version?: string) {
    const { requestSerialize, responseDeserialize } = method("", true);
    const metadata = new Metadata();
    if (version !== undefined) metadata.set("rouse-version", version);
    return this.#client.makeBidiStreamRequest(
      `/${service}/Chat`,
      requestSerialize,
      responseDeserialize,
      metadata,
    );
  }

  /** Resolves when the listener takes connections. */
  connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + 20_000, (error) => (error ? reject(error) : resolve()));
    });
  }

  close(): void {
    this.#client.close();
  }
}
