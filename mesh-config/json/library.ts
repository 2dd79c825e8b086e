import { type DescFile, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import { type CanonicalFile, symbolsOf } from "./canonical.ts";
import { rpcDescriptors } from "./rpc-descriptors.ts";

const wellKnown: readonly DescFile[] = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

let loaded: ReadonlyMap<string, CanonicalFile> | undefined;

/**
 * Files that everybody means the same by: Google's well-known types, and those of errors. Those which contracts bring are left
 * aside, so that it does not matter which release of them a contract was compiled with.
 */
export function library(): ReadonlyMap<string, CanonicalFile> {
  loaded ??= new Map([...wellKnown.map(({ proto }) => proto), ...rpcFiles()].map(entry));
  return loaded;
}

function rpcFiles(): FileDescriptorProto[] {
  const { file } = fromBinary(FileDescriptorSetSchema, Buffer.from(rpcDescriptors, "base64"));
  return file.filter(({ name }) => name.startsWith("google/rpc/"));
}

function entry(proto: FileDescriptorProto): [string, CanonicalFile] {
  const bytes = toBinary(FileDescriptorProtoSchema, proto);
  return [proto.name, { name: proto.name, bytes, symbols: symbolsOf(proto) }];
}
