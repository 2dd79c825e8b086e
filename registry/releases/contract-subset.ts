import { clone, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type EnumDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type MethodDescriptorProto,
} from "@bufbuild/protobuf/wkt";

/** What callers of one service can see of a contract. */
export interface ContractSubset {
  /** google.protobuf.FileDescriptorSet. */
  readonly bytes: Uint8Array;
  /** Names of the methods that reach a message or enum, by its full name. */
  readonly methodsOf: ReadonlyMap<string, readonly string[]>;
}

interface Place {
  readonly file: string;
  readonly message?: DescriptorProto;
  /** Full names of the types that its fields have. */
  readonly uses: readonly string[];
}

/**
 * Cuts a descriptor set down to one service and the types that its methods reach, whichever file they are in: what an import
 * brings along and no call carries (options, other services) is no matter of the service's callers.
 *
 * @param bytes - A descriptor set that has the service (descriptor-set.ts checks it at the registration).
 */
export function contractSubset(bytes: Uint8Array, service: string): ContractSubset {
  const { file: files } = fromBinary(FileDescriptorSetSchema, bytes);
  const places = placesOf(files);
  const methodsOf = new Map<string, string[]>();
  for (const { name, inputType, outputType } of methodsOfService(files, service)) {
    for (const type of reached([bare(inputType), bare(outputType)], places)) {
      const methods = methodsOf.get(type);
      if (methods === undefined) methodsOf.set(type, [name]);
      else methods.push(name);
    }
  }
  const kept = files.flatMap((file) => {
    const subset = subsetOfFile(file, service, methodsOf, places);
    return subset === undefined ? [] : [subset];
  });
  return {
    bytes: toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: kept })),
    methodsOf,
  };
}

function methodsOfService(files: readonly FileDescriptorProto[], service: string): MethodDescriptorProto[] {
  return files.flatMap((file) =>
    file.service.filter(({ name }) => join(file.package, name) === service).flatMap(({ method }) => method),
  );
}

/** Where each type is, by full name. */
function placesOf(files: readonly FileDescriptorProto[]): Map<string, Place> {
  const places = new Map<string, Place>();
  const addEnums = (file: string, scope: string, enums: readonly EnumDescriptorProto[]) => {
    for (const { name } of enums) places.set(join(scope, name), { file, uses: [] });
  };
  const addMessage = (file: string, scope: string, message: DescriptorProto) => {
    const own = join(scope, message.name);
    const uses = message.field
      .filter(({ typeName }) => typeName !== "")
      .map(({ typeName }) => bare(typeName));
    places.set(own, { file, message, uses });
    addEnums(file, own, message.enumType);
    for (const nested of message.nestedType) addMessage(file, own, nested);
  };
  for (const file of files) {
    addEnums(file.name, file.package, file.enumType);
    for (const message of file.messageType) addMessage(file.name, file.package, message);
  }
  return places;
}

function reached(roots: readonly string[], places: ReadonlyMap<string, Place>): Set<string> {
  const seen = new Set<string>();
  const open = [...roots];
  for (let type = open.pop(); type !== undefined; type = open.pop()) {
    if (seen.has(type)) continue;
    seen.add(type);
    open.push(...(places.get(type)?.uses ?? []));
  }
  return seen;
}

type Kept = ReadonlyMap<string, readonly string[]>;

/** The file with what is kept of it, and with imports of what that needs; undefined when nothing is. */
function subsetOfFile(
  file: FileDescriptorProto,
  service: string,
  kept: Kept,
  places: ReadonlyMap<string, Place>,
): FileDescriptorProto | undefined {
  const subset = clone(FileDescriptorProtoSchema, file);
  delete subset.sourceCodeInfo;
  subset.extension = [];
  subset.publicDependency = [];
  subset.weakDependency = [];
  subset.service = subset.service.filter(({ name }) => join(file.package, name) === service);
  subset.enumType = subset.enumType.filter(({ name }) => kept.has(join(file.package, name)));
  subset.messageType = subsetOfMessages(subset.messageType, file.package, kept);
  if (subset.service.length + subset.enumType.length + subset.messageType.length === 0) return undefined;
  const used = new Set<string>();
  const use = (type: string) => {
    const place = places.get(bare(type));
    if (place !== undefined && place.file !== file.name) used.add(place.file);
  };
  for (const { method } of subset.service) {
    for (const { inputType, outputType } of method) for (const type of [inputType, outputType]) use(type);
  }
  const useMessage = (message: DescriptorProto) => {
    for (const { typeName } of message.field) if (typeName !== "") use(typeName);
    message.nestedType.forEach(useMessage);
  };
  subset.messageType.forEach(useMessage);
  subset.dependency = [...used].sort();
  return subset;
}

function subsetOfMessages(
  messages: readonly DescriptorProto[],
  scope: string,
  kept: Kept,
): DescriptorProto[] {
  return messages.flatMap((message) => {
    const own = join(scope, message.name);
    const enumType = message.enumType.filter(({ name }) => kept.has(join(own, name)));
    const nestedType = subsetOfMessages(message.nestedType, own, kept);
    if (!kept.has(own)) {
      // A shell around what is reached inside of it.
      if (enumType.length + nestedType.length === 0) return [];
      return [create(DescriptorProtoSchema, { name: message.name, enumType, nestedType })];
    }
    return [Object.assign(message, { enumType, nestedType, extension: [] })];
  });
}

/** Types stand in descriptors with a dot before them. */
function bare(type: string): string {
  return type.startsWith(".") ? type.slice(1) : type;
}

function join(scope: string, name: string): string {
  return scope === "" ? name : `${scope}.${name}`;
}
