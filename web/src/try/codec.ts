import { type DescMessage, fromBinary, fromJson, type Registry, toBinary, toJson } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import type { Json } from "./json.ts";

/** Bytes of a request. @throws Error with a sentence for people; `problemsOf` finds most of it before, at its place. */
export function encode(desc: DescMessage, json: Json, registry: Registry): Uint8Array<ArrayBuffer> {
  try {
    return toBinary(desc, fromJson(desc, json, { registry }));
  } catch (thrown) {
    throw new Error(`The request is no ${desc.typeName}: ${reason(thrown)}.`);
  }
}

/** An answer as JSON, with fields that are not set. Bytes that cannot be shown so are given as base64, with the reason. */
export function decode(desc: DescMessage, bytes: Uint8Array, registry: Registry): Json {
  try {
    return toJson(desc, fromBinary(desc, bytes), { registry, alwaysEmitImplicit: true });
  } catch (thrown) {
    return { "(not to be shown as JSON)": reason(thrown), base64: base64Encode(bytes) };
  }
}

function reason(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
