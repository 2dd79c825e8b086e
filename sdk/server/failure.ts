import { randomUUID } from "node:crypto";
import { Metadata, type ServerErrorResponse } from "@grpc/grpc-js";
import { encodeErrorDetails } from "../error-details.ts";
import { RouseError } from "../errors.ts";
import type { ServerLog } from "./types.ts";

/** What grpc-js sends as the end of a call. */
export type Ending = Omit<ServerErrorResponse, "name" | "message"> & {
  code: number;
  details: string;
  metadata: Metadata;
};

/**
 * What the caller is told of something that a handler threw. A RouseError is told as it is. Anything else is an
 * accident: its text may hold secrets, so the caller gets a fixed sentence and an id, and the log has the rest.
 */
export function publicError(thrown: unknown, method: string, log: ServerLog): RouseError {
  if (thrown instanceof RouseError) return thrown;
  const errorId = randomUUID();
  log.error({ err: thrown, method, errorId }, "A handler failed");
  return new RouseError(
    "INTERNAL",
    `The service failed. Its log has the cause under the error id ${errorId}.`,
    {
      reason: "HANDLER_FAILED",
      metadata: { errorId },
      cause: thrown,
    },
  );
}

/** Status, message and details of an error, with the trailers that the handler set. */
export function ending(error: RouseError, trailer: Metadata | undefined): Ending {
  const metadata = trailer?.clone() ?? new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(encodeErrorDetails(error)));
  return { code: error.code, details: error.message, metadata };
}
