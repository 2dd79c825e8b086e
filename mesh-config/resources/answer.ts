import { encodeErrorDetails } from "../../sdk/error-details.ts";
import type { RouseError } from "../../sdk/errors.ts";
import type { JsonObject } from "../proto/json.ts";

/** Envoy's own limit for the body of a direct response is 4,096 bytes. */
const LONGEST = 2_000;

/** HTTP statuses for callers who speak no gRPC: https://cloud.google.com/apis/design/errors#handling_errors */
const httpStatus: Partial<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  RESOURCE_EXHAUSTED: 429,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

/**
 * Fields of a route with which Envoy itself ends every call with the error. It turns a direct response into a
 * trailers-only one for gRPC and gRPC-web; the headers put our status in place of the one guessed from HTTP's.
 */
export function answer(error: RouseError): JsonObject {
  const message = shorten(error.message);
  return {
    direct_response: { status: httpStatus[error.status] ?? 500, body: { inline_string: message } },
    response_headers_to_add: [
      header("grpc-status", String(error.code)),
      header("grpc-message", percentEncode(message)),
      header("grpc-status-details-bin", details(error)),
    ],
  };
}

/** Sets a header to this very text: Envoy reads "%" as the start of a variable. */
export function header(key: string, value: string): JsonObject {
  return {
    header: { key, value: value.replaceAll("%", "%%") },
    append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
  };
}

/** The error as google.rpc.Status in base64 without padding, as gRPC sends binary headers. */
export function details(error: RouseError): string {
  return Buffer.from(encodeErrorDetails(error)).toString("base64").replace(/=+$/, "");
}

/** gRPC's encoding of grpc-message: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses */
export function percentEncode(text: string): string {
  let out = "";
  for (const byte of Buffer.from(text)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    out += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

export function shorten(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`;
}
