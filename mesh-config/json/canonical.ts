import { createHash } from "node:crypto";
import { create, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type EnumDescriptorProto,
  EnumDescriptorProtoSchema,
  EnumOptionsSchema,
  EnumValueDescriptorProtoSchema,
  type FeatureSet,
  FeatureSetSchema,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileOptionsSchema,
  MessageOptionsSchema,
  MethodDescriptorProtoSchema,
  MethodOptionsSchema,
  OneofDescriptorProtoSchema,
  ServiceDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { type Binding, bindingsOf } from "../../registry/json/bindings.ts";
import { encodeHttpRule, HTTP_OPTION, type HttpRule } from "../../registry/json/http-rule.ts";
import { library } from "./library.ts";

/** A file of a descriptor set with nothing in it but what JSON needs, under a name made of its content. */
export interface CanonicalFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Names of what it defines, enum values included. */
  readonly symbols: readonly string[];
}

/** How a method is called, in the names of its contract. */
export interface CanonicalMethod {
  readonly name: string;
  /** Full message names. */
  readonly input: string;
  readonly output: string;
  readonly clientStreaming: boolean;
  readonly serverStreaming: boolean;
  readonly bindings: readonly Binding[];
}

/** What one version of a service brings to the edge's JSON. */
export interface CanonicalService {
  /** Full name. */
  readonly service: string;
  /** Files with its messages, each after those it imports. */
  readonly files: readonly CanonicalFile[];
  readonly methods: readonly CanonicalMethod[];
  /** What of its google.api.http cannot be had, as clauses. */
  readonly refused: readonly string[];
}

/**
 * Reduces a service's contract to its messages. Comments, options and services differ between versions that speak the same;
 * what is left differs only if the messages do.
 */
export function canonicalService(service: DescService): CanonicalService {
  const files = new Map<DescFile, CanonicalFile>();
  const refused: string[] = [];
  const methods = service.methods.map((method): CanonicalMethod => {
    const { input, output, name, proto } = method;
    addFile(input.file, files);
    addFile(output.file, files);
    const found = bindingsOf(method);
    refused.push(...found.refused);
    return {
      name,
      input: input.typeName,
      output: output.typeName,
      clientStreaming: proto.clientStreaming,
      serverStreaming: proto.serverStreaming,
      bindings: found.bindings,
    };
  });
  return { service: service.typeName, files: [...files.values()], methods, refused };
}

/** The file of the service alone: its messages are in others' files. */
export function serviceFile({ service, methods, files }: CanonicalService): FileDescriptorProto {
  const dot = service.lastIndexOf(".");
  return create(FileDescriptorProtoSchema, {
    name: `${service}.service`,
    package: service.slice(0, Math.max(dot, 0)),
    dependency: files.map(({ name }) => name),
    syntax: "proto3",
    service: [
      create(ServiceDescriptorProtoSchema, {
        name: service.slice(dot + 1),
        method: methods.map(({ name, input, output, clientStreaming, serverStreaming, bindings }) =>
          create(MethodDescriptorProtoSchema, {
            name,
            inputType: `.${input}`,
            outputType: `.${output}`,
            clientStreaming,
            serverStreaming,
            options: httpOption(bindings),
          }),
        ),
      }),
    ],
  });
}

function httpOption(bindings: readonly Binding[]) {
  const rules = bindings.map(
    ({ verb, template, body, responseBody }): HttpRule => ({
      verb,
      template,
      body,
      responseBody,
      additional: [],
    }),
  );
  const [first, ...additional] = rules;
  if (first === undefined) return create(MethodOptionsSchema);
  const data = new BinaryWriter().bytes(encodeHttpRule({ ...first, additional })).finish();
  const options = create(MethodOptionsSchema);
  options.$unknown = [{ no: HTTP_OPTION, wireType: 2, data }];
  return options;
}

function addFile(file: DescFile, files: Map<DescFile, CanonicalFile>): CanonicalFile {
  const known = files.get(file);
  if (known !== undefined) return known;
  const wanted = referenced(file);
  const imports = new Set<string>();
  for (const other of wanted) imports.add(addFile(other, files).name);
  const made = library().get(file.proto.name) ?? canonicalFile(file, [...imports].sort());
  files.set(file, made);
  return made;
}

/** Files that define what the messages of a file have as fields. Importing what is not used says nothing. */
function referenced(file: DescFile): Set<DescFile> {
  const out = new Set<DescFile>();
  const visit = (messages: DescFile["messages"]) => {
    for (const message of messages) {
      for (const field of message.fields) {
        if (field.message !== undefined) out.add(field.message.file);
        if (field.enum !== undefined) out.add(field.enum.file);
        if (field.fieldKind === "map") {
          if (field.mapKind === "message") out.add(field.message.file);
          if (field.mapKind === "enum") out.add(field.enum.file);
        }
      }
      visit(message.nestedMessages);
    }
  };
  if (!library().has(file.proto.name)) visit(file.messages);
  out.delete(file);
  return out;
}

function canonicalFile({ proto }: DescFile, dependency: string[]): CanonicalFile {
  const content = create(FileDescriptorProtoSchema, {
    package: proto.package,
    dependency,
    syntax: proto.syntax,
    ...(Object.hasOwn(proto, "edition") && { edition: proto.edition }),
    messageType: proto.messageType.map(canonicalMessage),
    enumType: proto.enumType.map(canonicalEnum),
    options: create(FileOptionsSchema, features(proto.options)),
  });
  return nameByContent(content);
}

/** Gives a file the name that its content has everywhere. */
function nameByContent(content: FileDescriptorProto): CanonicalFile {
  const digest = createHash("sha256").update(toBinary(FileDescriptorProtoSchema, content)).digest("hex");
  const proto = { ...content, name: digest.slice(0, 32) };
  const bytes = toBinary(FileDescriptorProtoSchema, proto);
  return { name: proto.name, bytes, symbols: symbolsOf(proto) };
}

function canonicalMessage(proto: DescriptorProto): DescriptorProto {
  return create(DescriptorProtoSchema, {
    name: proto.name,
    field: proto.field.map(canonicalField),
    nestedType: proto.nestedType.map(canonicalMessage),
    enumType: proto.enumType.map(canonicalEnum),
    oneofDecl: proto.oneofDecl.map(({ name }) => create(OneofDescriptorProtoSchema, { name })),
    options: create(MessageOptionsSchema, {
      ...(proto.options?.mapEntry === true && { mapEntry: true }),
      ...features(proto.options),
    }),
  });
}

function canonicalField(proto: FieldDescriptorProto): FieldDescriptorProto {
  const { name, number, label, type, typeName, defaultValue, oneofIndex, jsonName, proto3Optional } = proto;
  const has = (field: keyof FieldDescriptorProto) => Object.hasOwn(proto, field);
  return create(FieldDescriptorProtoSchema, {
    name,
    number,
    label,
    type,
    ...(has("typeName") && { typeName }),
    ...(has("defaultValue") && { defaultValue }),
    ...(has("oneofIndex") && { oneofIndex }),
    ...(has("jsonName") && { jsonName }),
    ...(has("proto3Optional") && { proto3Optional }),
    options: create(FieldOptionsSchema, {
      ...(proto.options && Object.hasOwn(proto.options, "packed") && { packed: proto.options.packed }),
      ...features(proto.options),
    }),
  });
}

function canonicalEnum(proto: EnumDescriptorProto): EnumDescriptorProto {
  return create(EnumDescriptorProtoSchema, {
    name: proto.name,
    value: proto.value.map(({ name, number }) => create(EnumValueDescriptorProtoSchema, { name, number })),
    options: create(EnumOptionsSchema, {
      ...(proto.options?.allowAlias === true && { allowAlias: true }),
      ...features(proto.options),
    }),
  });
}

/** Editions' features, but for those of single languages. */
function features(options: { readonly features?: FeatureSet | undefined } | undefined) {
  if (options?.features === undefined) return {};
  const { $unknown: _, ...own } = options.features;
  return { features: create(FeatureSetSchema, own) };
}

/** Full names of what a file defines. */
export function symbolsOf(file: FileDescriptorProto): string[] {
  const out: string[] = [];
  const visit = (
    scope: string,
    messages: readonly DescriptorProto[],
    enums: readonly EnumDescriptorProto[],
  ) => {
    const within = (name: string) => (scope === "" ? name : `${scope}.${name}`);
    for (const { name, value } of enums) {
      // Values are siblings of their enum.
      out.push(within(name), ...value.map((one) => within(one.name)));
    }
    for (const { name, nestedType, enumType } of messages) {
      out.push(within(name));
      visit(within(name), nestedType, enumType);
    }
  };
  visit(file.package, file.messageType, file.enumType);
  return out;
}
