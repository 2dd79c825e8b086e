import { encodeErrorDetails } from "../../sdk/error-details.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { JsonObject } from "../proto/json.ts";

/** Headers are limited (60 KiB in Envoy, 8 KiB in some clients). */
const LONGEST = 2_000;

/**
 * Fields of a route with which Envoy itself ends every call with the error: an empty response whose headers are those of
 * gRPC's trailers-only form. The gRPC-web filter makes of the content type what a browser expects.
 */
export function answer(full: RouseError): JsonObject {
  const error = shortened(full);
  const { status, reason, metadata } = error;
  // Binary, so Envoy can fill nothing in.
  const plain = new RouseError(status, error.message.replaceAll(ASKED, "the header rouse-version"), {
    reason,
    metadata,
  });
  return {
    direct_response: { status: 200 },
    response_headers_to_add: [
      header("content-type", "application/grpc"),
      header("grpc-status", String(error.code)),
      message(error.message),
      header("grpc-status-details-bin", details(plain)),
    ],
  };
}

/** In a message, what the caller asked for in the header rouse-version, at most 64 characters. */
export const ASKED = "{rouse-version}";

/** The grpc-message, with Envoy's variable where the text says {@link ASKED}. */
function message(text: string): JsonObject {
  const parts = text.split(ASKED).map((part) => percentEncode(part).replaceAll("%", "%%"));
  return {
    header: { key: "grpc-message", value: parts.join("%REQ(ROUSE-VERSION):64%") },
    append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
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

/** The same error with a message that fits a header. */
export function shortened(error: RouseError): RouseError {
  const { status, message, reason, metadata } = error;
  if (message.length <= LONGEST) return error;
  return new RouseError(status, `${message.slice(0, LONGEST - 1)}…`, { reason, metadata });
}
