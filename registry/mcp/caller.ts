import { fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials, Metadata } from "@grpc/grpc-js";
import { RouseError } from "../../sdk/errors.ts";
import { callError } from "../../sdk/grpc.ts";
import type { Contract } from "../catalog/contract/contract.ts";

/** What a streamed answer may have at most, so that it fits into a conversation. */
const MOST_MESSAGES = 200;
const MOST_BYTES = 256 * 1024;
const LARGEST_MESSAGE = 16 << 20;

export interface Answer {
  readonly messages: readonly JsonValue[];
  /** There was more. */
  readonly truncated: boolean;
}

export interface CallOptions {
  /** Value of the caller's header authorization. */
  readonly authorization?: string;
  /** Longest time, ms. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** Told after each message, with how many there are. */
  readonly onMessage?: (count: number) => void;
}

/** Calls methods through the edge, with what contracts say of them, as any client would. */
export class EdgeCaller {
  readonly #client: Client;

  /** @param edge "host:port". */
  constructor(edge: string) {
    this.#client = new Client(edge, credentials.createInsecure(), {
      "grpc.enable_http_proxy": 0,
      "grpc.max_receive_message_length": LARGEST_MESSAGE,
      "grpc.max_reconnect_backoff_ms": 1_000,
    });
  }

  /**
   * @param requests One, but for a method that takes a stream.
   * @throws RouseError the service's status, or INVALID_ARGUMENT REQUEST_INVALID saying where a request is wrong.
   */
  async call(
    { service, types }: Contract,
    methodName: string,
    requests: readonly JsonValue[],
    options: CallOptions,
  ): Promise<Answer> {
    const method = service.methods.find(({ name }) => name === methodName);
    if (method === undefined)
      throw new RouseError("NOT_FOUND", `${service.typeName} has no method ${methodName}.`, {
        reason: "METHOD_UNKNOWN",
      });
    const bytes = requests.map((request) => {
      try {
        return toBinary(method.input, fromJson(method.input, request, { registry: types }));
      } catch (cause) {
        throw new RouseError(
          "INVALID_ARGUMENT",
          `The request is no ${method.input.typeName}: ${(cause as Error).message}.`,
          { reason: "REQUEST_INVALID", cause },
        );
      }
    });
    const metadata = new Metadata();
    if (options.authorization !== undefined) metadata.set("authorization", options.authorization);
    const deadline = Date.now() + options.deadlineMs;
    // On the wire all four shapes are alike.
    const call: ClientDuplexStream<Uint8Array, Uint8Array> = this.#client.makeBidiStreamRequest(
      `/${service.typeName}/${methodName}`,
      (value: Uint8Array) => Buffer.from(value),
      (value: Uint8Array) => value,
      metadata,
      { deadline },
    );
    const cancel = () => call.cancel();
    options.signal.addEventListener("abort", cancel, { once: true });
    const messages: JsonValue[] = [];
    let size = 0;
    try {
      for (const one of bytes) call.write(one);
      call.end();
      for await (const one of call as AsyncIterable<Uint8Array>) {
        const json = toJson(method.output, fromBinary(method.output, one), { registry: types });
        size += JSON.stringify(json).length;
        const full = messages.length >= MOST_MESSAGES || (size > MOST_BYTES && messages.length > 0);
        if (full) {
          call.on("error", () => undefined);
          call.cancel();
          return { messages, truncated: true };
        }
        messages.push(json);
        options.onMessage?.(messages.length);
      }
      return { messages, truncated: false };
    } catch (error) {
      throw callError(error, deadline);
    } finally {
      options.signal.removeEventListener("abort", cancel);
    }
  }

  close(): void {
    this.#client.close();
  }
}
