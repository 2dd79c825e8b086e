import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import type { RouseError } from "./errors.ts";

/*
 * google.rpc.Status with one google.rpc.ErrorInfo, as it travels in grpc-status-details-bin
 * (https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto). Written by hand: two small
 * messages are no reason to load a schema at every boot.
 */

const errorInfoType = "type.googleapis.com/google.rpc.ErrorInfo";
const domain = "rouse";

/** Encodes status, message, reason and metadata of an error as google.rpc.Status. */
export function encodeErrorDetails(error: RouseError): Uint8Array {
  const info = new BinaryWriter().uint32(tag(1)).string(error.reason).uint32(tag(2)).string(domain);
  for (const [key, value] of Object.entries(error.metadata)) {
    info.uint32(tag(3)).fork().uint32(tag(1)).string(key).uint32(tag(2)).string(value).join();
  }
  return new BinaryWriter()
    .uint32(1 << 3)
    .int32(error.code)
    .uint32(tag(2))
    .string(error.message)
    .uint32(tag(3))
    .fork()
    .uint32(tag(1))
    .string(errorInfoType)
    .uint32(tag(2))
    .bytes(info.finish())
    .join()
    .finish();
}

/** What an ErrorInfo says. */
export interface ErrorDetails {
  reason: string;
  metadata: Record<string, string>;
}

/** Finds the ErrorInfo in a google.rpc.Status; undefined when there is none or the bytes are no such message. */
export function decodeErrorDetails(bytes: Uint8Array): ErrorDetails | undefined {
  try {
    for (const any of fields(bytes, 3)) {
      const [type] = fields(any, 1);
      const [value] = fields(any, 2);
      if (type !== undefined && value !== undefined && text(type) === errorInfoType) return errorInfo(value);
    }
  } catch {
    // Details of another shape, or broken on the way: status and message still tell.
  }
  return undefined;
}

function errorInfo(bytes: Uint8Array): ErrorDetails | undefined {
  const [reason] = fields(bytes, 1);
  if (reason === undefined) return undefined;
  const metadata = fields(bytes, 3).map((entry): [string, string] => {
    const [key] = fields(entry, 1);
    const [value] = fields(entry, 2);
    return [key ? text(key) : "", value ? text(value) : ""];
  });
  // Not by assignment, to which a key such as "__proto__" means something else.
  return { reason: text(reason), metadata: Object.fromEntries(metadata) };
}

/** The contents of all length-delimited fields with this number. */
function fields(bytes: Uint8Array, number: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === number && wireType === 2) found.push(reader.bytes());
    else reader.skip(wireType, field);
  }
  return found;
}

function tag(field: number): number {
  return (field << 3) | 2;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
