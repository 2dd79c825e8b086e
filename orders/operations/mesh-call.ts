import { Client, type ClientDuplexStream, credentials, Metadata } from "@grpc/grpc-js";
import {
  DurableRunsService,
  type RouseRunRequest,
  type RouseRunResponse,
} from "#proto/rouse/orders/v1/durable.ts";
import { RouseError } from "../../sdk/errors.ts";
import { callError } from "../../sdk/grpc.ts";
import { OPERATION_HEADER } from "../../sdk/operation-header.ts";
import { CALLER_HEADER } from "../../sdk/usage/caller.ts";
import type { OperationRow } from "./record.ts";
import type { MakeCall } from "./runner.ts";

/** A durable run's stream between orders and an instance. */
export type RunStream = ClientDuplexStream<RouseRunRequest, RouseRunResponse>;

/** A result is kept in the database, and read as one message. */
export const MOST_BYTES = 16 * 2 ** 20;
/** grpc-js takes no later deadline, ms from now. */
const LONGEST_MS = 2_147_000_000;

/** Makes calls through the mesh's listener for services. */
export class MeshCalls {
  readonly #client: Client;

  /** @param target "host:port" or "unix:/path" of that listener. */
  constructor(target: string) {
    this.#client = new Client(target, credentials.createInsecure(), {
      // Room above the limit, so that what breaks it gets our sentence rather than gRPC's.
      "grpc.max_receive_message_length": 4 * MOST_BYTES,
      "grpc.max_send_message_length": -1,
      "grpc.enable_http_proxy": 0,
    });
  }

  readonly call: MakeCall = ({ operation, request, deadlineMs, signal }) => {
    const { id, service, version, method, caller, headers } = operation;
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers ?? {})) metadata.set(name, value);
    metadata.set("rouse-version", version);
    metadata.set(OPERATION_HEADER, id);
    if (caller !== "") metadata.set(CALLER_HEADER, caller);
    const deadline = Math.min(deadlineMs, Date.now() + LONGEST_MS);
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        `/${service}/${method}`,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        request,
        metadata,
        { deadline },
        (error, response) => {
          signal.removeEventListener("abort", cancel);
          if (error !== null) reject(tooLarge(error.details, operation) ?? callError(error, deadline));
          else if (response !== undefined && response.length > MOST_BYTES)
            reject(largeResponse(operation, response.length));
          else resolve(response ?? Buffer.alloc(0));
        },
      );
      const cancel = () => call.cancel();
      if (signal.aborted) cancel();
      else signal.addEventListener("abort", cancel, { once: true });
    });
  };

  /** Opens the stream of a durable run to an instance of exactly that version (durable.proto). */
  run({
    id,
    service,
    version,
    caller,
  }: Pick<OperationRow, "id" | "service" | "version" | "caller">): RunStream {
    const metadata = new Metadata();
    metadata.set("rouse-version", version);
    metadata.set(OPERATION_HEADER, id);
    if (caller !== "") metadata.set(CALLER_HEADER, caller);
    const { requestSerialize, responseDeserialize } = DurableRunsService.rouseRun;
    return this.#client.makeBidiStreamRequest(
      `/${service}/RouseRun`,
      requestSerialize,
      responseDeserialize,
      metadata,
    );
  }

  close(): void {
    this.#client.close();
  }
}

type Called = { readonly service: string; readonly method: string };

function tooLarge(details: string, called: Called): RouseError | undefined {
  return /larger than max/i.test(details) ? largeResponse(called, undefined) : undefined;
}

function largeResponse({ service, method }: Called, bytes: number | undefined): RouseError {
  const size = bytes === undefined ? "more than" : `${Math.round(bytes / 2 ** 20)} MiB, more than`;
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `The result of ${service}/${method} has ${size} the ${MOST_BYTES / 2 ** 20} MiB that an operation keeps. Have the method write it somewhere, and answer where that is.`,
    { reason: "RESULT_TOO_LARGE" },
  );
}
