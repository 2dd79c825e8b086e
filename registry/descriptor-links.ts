import type { DescriptorProto, EnumDescriptorProto, FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { FieldDescriptorProto_Type } from "@bufbuild/protobuf/wkt";

/*
 * What a compiler guarantees of its descriptors, and what a set that was made by hand may break. Envoy, reflection clients and
 * code generators rely on it; some of them end when it does not hold.
 */

/** Numbers that fields may have (https://protobuf.dev/programming-guides/proto3/#assigning). */
const MAX_FIELD_NUMBER = 536_870_911;
const RESERVED_NUMBERS = { from: 19_000, to: 19_999 };
/** Deepest nesting of messages; protoc's own limit is 32. */
const MAX_NESTING = 32;
const MAX_FILES = 2_000;

/**
 * What is wrong with how the files of a descriptor set hang together, as a clause; undefined when nothing is.
 *
 * Files come after those that they import, names are unique, types exist in what the file imports, and fields have numbers of
 * their own.
 */
export function linkFault(files: readonly FileDescriptorProto[]): string | undefined {
  if (files.length > MAX_FILES) return `it has ${files.length} files, and at most ${MAX_FILES} are taken`;
  const known = new Map<string, FileLinks>();
  const definedIn = new Map<string, string>();
  for (const file of files) {
    if (known.has(file.name)) return `it holds ${shown(file.name)} twice`;
    const missing = file.dependency.find((name) => !known.has(name));
    if (missing !== undefined) return importFault(files, file.name, missing);
    const links = linksOf(file, known);
    known.set(file.name, links);
    if (links.fault !== undefined) return links.fault;
    for (const name of links.names) {
      const other = definedIn.get(name);
      if (other !== undefined)
        return `${shown(name)} is defined twice, in ${shown(other)} and ${shown(file.name)}`;
      definedIn.set(name, file.name);
    }
    for (const { name, from } of links.uses) {
      const where = definedIn.get(name);
      if (where === undefined) return `${shown(from)} names the type ${shown(name)}, which does not exist`;
      if (!links.visible.has(where)) {
        return `${shown(from)} names the type ${shown(name)} of ${shown(where)}, which ${shown(file.name)} does not import`;
      }
    }
  }
  return undefined;
}

interface FileLinks {
  /** Files whose types it may name: itself, its imports and what those import publicly. */
  readonly visible: ReadonlySet<string>;
  /** Files that who imports it may use, too. */
  readonly passedOn: ReadonlySet<string>;
  /** Full names of messages, enums and services. */
  readonly names: readonly string[];
  readonly uses: readonly { readonly name: string; readonly from: string }[];
  readonly fault: string | undefined;
}

function linksOf(file: FileDescriptorProto, known: ReadonlyMap<string, FileLinks>): FileLinks {
  const passedOn = new Set([file.name]);
  for (const at of file.publicDependency) {
    for (const name of known.get(file.dependency[at] ?? "")?.passedOn ?? []) passedOn.add(name);
  }
  const visible = new Set(passedOn);
  for (const dependency of file.dependency) {
    for (const name of known.get(dependency)?.passedOn ?? []) visible.add(name);
  }
  const walk = new Walk();
  for (const message of file.messageType) walk.message(message, file.package, 1);
  for (const desc of file.enumType) walk.enum(desc, file.package);
  for (const field of file.extension) walk.use(field.extendee, `extension ${field.name}`);
  for (const service of file.service) {
    const name = walk.define(file.package, service.name);
    for (const method of service.method) {
      walk.use(method.inputType, `${name}.${method.name}`);
      walk.use(method.outputType, `${name}.${method.name}`);
    }
  }
  return { visible, passedOn, names: walk.names, uses: walk.uses, fault: walk.fault };
}

/** Collects what a file defines and names. */
class Walk {
  readonly names: string[] = [];
  readonly uses: { name: string; from: string }[] = [];
  fault: string | undefined;

  define(scope: string, name: string): string {
    const full = scope === "" ? name : `${scope}.${name}`;
    this.names.push(full);
    return full;
  }

  /** Type names in descriptors begin with a dot. */
  use(typeName: string, from: string): void {
    this.uses.push({ name: typeName.replace(/^\./, ""), from });
  }

  enum(desc: EnumDescriptorProto, scope: string): void {
    const name = this.define(scope, desc.name);
    if (desc.value.length === 0) this.fault ??= `the enum ${shown(name)} has no value`;
  }

  message(message: DescriptorProto, scope: string, depth: number): void {
    const name = this.define(scope, message.name);
    if (depth > MAX_NESTING) {
      this.fault ??= `${shown(name)} is nested deeper than ${MAX_NESTING} messages`;
      return;
    }
    const numbers = new Map<number, string>();
    for (const field of message.field) {
      const { number } = field;
      const other = numbers.get(number);
      if (other !== undefined)
        this.fault ??= `${shown(`${name}.${field.name}`)} has the number ${number}, as ${shown(other)} has`;
      numbers.set(number, field.name);
      const reserved = number >= RESERVED_NUMBERS.from && number <= RESERVED_NUMBERS.to;
      if (number < 1 || number > MAX_FIELD_NUMBER || reserved)
        this.fault ??= `${shown(`${name}.${field.name}`)} has the number ${number}, which no field may have`;
      if (TYPED.has(field.type)) this.use(field.typeName, `${name}.${field.name}`);
    }
    for (const nested of message.nestedType) this.message(nested, name, depth + 1);
    for (const desc of message.enumType) this.enum(desc, name);
  }
}

const TYPED: ReadonlySet<FieldDescriptorProto_Type> = new Set([
  FieldDescriptorProto_Type.MESSAGE,
  FieldDescriptorProto_Type.ENUM,
  FieldDescriptorProto_Type.GROUP,
]);

/** Why an import is not there yet: it is absent, or the files import one another in a circle, or are in the wrong order. */
function importFault(files: readonly FileDescriptorProto[], from: string, missing: string): string {
  const imports = new Map(files.map((file) => [file.name, file.dependency]));
  if (!imports.has(missing)) return `${shown(from)} imports ${shown(missing)}, which it lacks`;
  const seen = new Set<string>();
  const open = [missing];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === from) return `${shown(from)} and ${shown(missing)} import each other in a circle`;
    if (seen.has(name)) continue;
    seen.add(name);
    open.push(...(imports.get(name) ?? []));
  }
  return `${shown(from)} comes before ${shown(missing)}, which it imports`;
}

/** A name of somebody else's for a message: short, and without what a terminal would obey. */
function shown(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]/g, "?");
  return plain.length > 120 ? `${plain.slice(0, 120)}…` : plain;
}
