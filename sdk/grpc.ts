import {
  type CallOptions,
  type Client,
  type ClientUnaryCall,
  Metadata,
  type Server,
  ServerCredentials,
  type ServiceError,
} from "@grpc/grpc-js";
import { decodeErrorDetails } from "./error-details.ts";
import { RouseError } from "./errors.ts";
import { statusCodes, statusName } from "./status.ts";

/** By so much may Envoy's timer be ahead of ours: both count whole milliseconds. */
const TIMER_SLACK_MS = 2;

/** Request and response of a unary method of a grpc-js client that ts-proto generated. */
type UnaryShape<Method> = Method extends (
  request: infer Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: infer Response) => void,
) => ClientUnaryCall
  ? { request: Request; response: Response }
  : never;

type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** Settings of one {@link unary} call. */
export interface UnaryOptions {
  /** Longest time of the call, ms. Default 10,000. */
  deadlineMs?: number;
  metadata?: Metadata;
  /** Cancels the call. */
  signal?: AbortSignal;
}

/**
 * Calls a unary method of a ts-proto client (the mesh's own APIs) by its name, such as `unary(agent, "getStatus", {})`.
 *
 * @throws RouseError with the status, message, reason and metadata that the server sent.
 */
export function unary<C extends Client, Name extends keyof C>(
  client: C,
  method: Name,
  request: UnaryShape<C[Name]>["request"],
  options: UnaryOptions = {},
): Promise<UnaryShape<C[Name]>["response"]> {
  type Shape = UnaryShape<C[Name]>;
  const { deadlineMs = 10_000, metadata = new Metadata(), signal } = options;
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + deadlineMs;
    const send = (client[method] as UnaryMethod<Shape["request"], Shape["response"]>).bind(client);
    const call = send(request, metadata, { deadline }, (error, response) => {
      signal?.removeEventListener("abort", cancel);
      if (error === null) resolve(response);
      else reject(callError(error));
    });
    const cancel = () => call.cancel();
    if (signal?.aborted) cancel();
    else signal?.addEventListener("abort", cancel, { once: true });
  });
}

/**
 * Lets a server listen and answers with the address that clients dial: "host:port" with the port that was bound, or
 * "unix:/path".
 *
 * @param address "host:port" (port 0: any free one) or "unix:/path".
 * @throws RouseError ADDRESS_IN_USE (FAILED_PRECONDITION) when somebody listens there already, ADDRESS_UNUSABLE
 *   (INVALID_ARGUMENT) when the address cannot be bound for another reason.
 */
export function listen(server: Server, address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error !== null) reject(listenError(address, error));
      else if (address.startsWith("unix:")) resolve(address);
      else resolve(`${address.slice(0, address.lastIndexOf(":"))}:${port}`);
    });
  });
}

/** Says why nobody can listen on an address. */
export function listenError(address: string, cause: Error): RouseError {
  if (cause.message.includes("EADDRINUSE")) {
    return new RouseError(
      "FAILED_PRECONDITION",
      `${address} is in use by another program. Stop that program, or choose another address.`,
      { reason: "ADDRESS_IN_USE", metadata: { address }, cause },
    );
  }
  return new RouseError(
    "INVALID_ARGUMENT",
    `Cannot listen on "${address}" (${cause.message}). Give an address such as "127.0.0.1:50051" or "unix:/run/a.sock".`,
    { reason: "ADDRESS_UNUSABLE", metadata: { address }, cause },
  );
}

/**
 * Makes a RouseError of a grpc-js error, with the reason and metadata that grpc-status-details-bin holds.
 *
 * @param deadline Of the call, ms since 1970. Envoy keeps it too, and can only reset a stream whose headers are sent;
 *   when its reset overtakes the client's own timer, grpc-js says INTERNAL.
 */
export function callError(error: unknown, deadline = Number.POSITIVE_INFINITY): RouseError {
  if (error instanceof RouseError || !isServiceError(error)) return RouseError.from(error);
  const status = statusName(error.code) ?? "UNKNOWN";
  if (error.details.startsWith("Received RST_STREAM") && Date.now() >= deadline - TIMER_SLACK_MS)
    return new RouseError("DEADLINE_EXCEEDED", "Deadline exceeded", { cause: error });
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  const details = bytes instanceof Uint8Array ? decodeErrorDetails(bytes) : undefined;
  return new RouseError(status, error.details, { ...details, cause: error });
}

/** What grpc-js says of a call that it could not send, or that the other side refused unseen. */
const UNSENT =
  /^(No connection established|Channel closed before call started|Channel has been shut down|Stream refused by server)/;

/** Whether a call ended before the other side saw it, by how grpc-js, not the other side, says it ended. */
export function neverSent({ code, details }: { readonly code: number; readonly details: string }): boolean {
  return code === statusCodes.UNAVAILABLE && UNSENT.test(details);
}

function isServiceError(error: unknown): error is ServiceError {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "number" &&
    "details" in error &&
    typeof error.details === "string"
  );
}
