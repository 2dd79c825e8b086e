import { createFileRegistry, type DescFile, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { statusCodes } from "../status.ts";

/** Numbers of the oneof message_request (and of the extension request) in ServerReflectionRequest. */
const fileByFilename = 3;
const fileContainingSymbol = 4;
const fileContainingExtension = 5;
const allExtensionNumbers = 6;
const listServices = 7;

/** Numbers of the oneof message_response in ServerReflectionResponse. */
const fileDescriptorResponse = 4;
const extensionNumberResponse = 5;
const listServicesResponse = 6;
const errorResponse = 7;

/** The files of a descriptor set by name and by the symbols in them. */
export class ReflectionIndex {
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  /** By extended message, then by field number. */
  readonly #extensions = new Map<string, Map<number, DescFile>>();
  readonly #services: readonly string[];

  constructor(descriptorSet: Uint8Array, services: readonly string[]) {
    this.#services = services;
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
    for (const file of registry.files) this.#files.set(file.proto.name, file);
    for (const type of registry) {
      this.#symbols.set(type.typeName, type.file);
      if (type.kind !== "extension") continue;
      const numbers = this.#extensions.get(type.extendee.typeName) ?? new Map<number, DescFile>();
      this.#extensions.set(type.extendee.typeName, numbers.set(type.number, type.file));
    }
  }

  /** Answers one ServerReflectionRequest with one ServerReflectionResponse, both encoded. */
  answer(request: Uint8Array): Uint8Array {
    const { host, kind, text, number } = parseRequest(request);
    const response = new BinaryWriter().uint32(lengthDelimited(1)).string(host);
    response.uint32(lengthDelimited(2)).bytes(request);
    this.#write(response, kind, text, number);
    return response.finish();
  }

  #write(response: BinaryWriter, kind: number, text: string, number: number): void {
    if (kind === listServices) {
      response.uint32(lengthDelimited(listServicesResponse)).fork();
      for (const name of this.#services) {
        response.uint32(lengthDelimited(1)).fork().uint32(lengthDelimited(1)).string(name).join();
      }
      response.join();
      return;
    }
    if (kind === allExtensionNumbers) {
      const numbers = this.#extensions.get(text);
      if (numbers === undefined && !this.#symbols.has(text)) {
        notFound(response, `type "${text}"`);
        return;
      }
      response.uint32(lengthDelimited(extensionNumberResponse)).fork();
      response.uint32(lengthDelimited(1)).string(text);
      for (const each of numbers?.keys() ?? []) response.uint32(2 << 3).int32(each);
      response.join();
      return;
    }
    const file = this.#find(kind, text, number);
    if (file === undefined) {
      notFound(response, `file or symbol "${text}"`);
      return;
    }
    response.uint32(lengthDelimited(fileDescriptorResponse)).fork();
    for (const each of withImports(file)) {
      response.uint32(lengthDelimited(1)).bytes(toBinary(FileDescriptorProtoSchema, each.proto));
    }
    response.join();
  }

  #find(kind: number, text: string, number: number): DescFile | undefined {
    if (kind === fileByFilename) return this.#files.get(text);
    if (kind === fileContainingExtension) return this.#extensions.get(text)?.get(number);
    if (kind !== fileContainingSymbol) return undefined;
    // Methods, fields and enum values are found by what they are in.
    const symbol = text.replace(/^\./, "");
    return this.#symbols.get(symbol) ?? this.#symbols.get(symbol.slice(0, symbol.lastIndexOf(".")));
  }
}

function parseRequest(bytes: Uint8Array): { host: string; kind: number; text: string; number: number } {
  const request = { host: "", kind: 0, text: "", number: 0 };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) request.host = reader.string();
    else if (field === fileContainingExtension) {
      request.kind = field;
      const end = reader.uint32() + reader.pos;
      while (reader.pos < end) {
        const [inner, innerType] = reader.tag();
        if (inner === 1) request.text = reader.string();
        else if (inner === 2) request.number = reader.int32();
        else reader.skip(innerType, inner);
      }
    } else if (field >= fileByFilename && field <= listServices) {
      request.kind = field;
      request.text = reader.string();
    } else reader.skip(wireType, field);
  }
  return request;
}

function withImports(file: DescFile, seen = new Set<DescFile>()): Set<DescFile> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const dependency of file.dependencies) withImports(dependency, seen);
  return seen;
}

function notFound(response: BinaryWriter, what: string): void {
  response
    .uint32(lengthDelimited(errorResponse))
    .fork()
    .uint32(1 << 3)
    .int32(statusCodes.NOT_FOUND)
    .uint32(lengthDelimited(2))
    .string(`This server's contract has no ${what}.`)
    .join();
}

function lengthDelimited(field: number): number {
  return (field << 3) | 2;
}
