import { type handleUnaryCall, Metadata, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { encodeErrorDetails } from "./error-details.ts";
import { RouseError } from "./errors.ts";

/** What grpc-js takes as the error of a call: status, message, and the details that clients of Rouse decode. */
export function statusObject(thrown: unknown): { code: number; details: string; metadata: Metadata } {
  const error = RouseError.from(thrown);
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(encodeErrorDetails(error)));
  return { code: error.code, details: error.message, metadata };
}

/** Makes a unary handler of an async function, for servers of the mesh's own APIs; what it throws becomes a status. */
export function answer<Request, Response>(
  handler: (request: Request, metadata: Metadata) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
    handler(call.request, call.metadata).then(
      (response) => callback(null, response),
      (thrown: unknown) => callback(statusObject(thrown)),
    );
  };
}
