import type { DescFile } from "@bufbuild/protobuf";
import type {
  DescriptorProto,
  EnumDescriptorProto,
  FileDescriptorProto,
  ServiceDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { commentText } from "../../../codegen/plugin/comment-text.ts";

// Field numbers of google/protobuf/descriptor.proto, of which the paths of source info are made.
const FILE = { message: 4, enum: 5, service: 6, extension: 7 } as const;
const MESSAGE = { field: 2, nested: 3, enum: 4, oneof: 8 } as const;
const ENUM_VALUE = 2;
const METHOD = 2;

/** Anything of a contract that can have a comment. */
type Commented = { readonly proto: object };

/** The comments of a contract. Each file is read once, when it is first asked of: looking each path up alone would take the square of the time. */
export class Comments {
  readonly #files = new WeakMap<FileDescriptorProto, ReadonlyMap<object, string>>();

  /** The comment on something in a file; empty: none. */
  of(file: DescFile, desc: Commented): string {
    let comments = this.#files.get(file.proto);
    if (comments === undefined) {
      comments = readComments(file.proto);
      this.#files.set(file.proto, comments);
    }
    return comments.get(desc.proto) ?? "";
  }
}

function readComments(file: FileDescriptorProto): Map<object, string> {
  const texts = new Map<string, string>();
  for (const { path, leadingComments, trailingComments } of file.sourceCodeInfo?.location ?? []) {
    const text = commentText(leadingComments, trailingComments);
    const key = path.join(".");
    if (text !== "" && !texts.has(key)) texts.set(key, text);
  }
  const comments = new Map<object, string>();
  const take = (path: string, proto: object) => {
    const text = texts.get(path);
    if (text !== undefined) comments.set(proto, text);
  };
  const takeAll = (path: string, number: number, protos: readonly object[]) =>
    protos.forEach((proto, index) => {
      take(`${path}${number}.${index}`, proto);
    });
  const takeEnum = (path: string, proto: EnumDescriptorProto) => {
    take(path, proto);
    takeAll(`${path}.`, ENUM_VALUE, proto.value);
  };
  const takeService = (path: string, proto: ServiceDescriptorProto) => {
    take(path, proto);
    takeAll(`${path}.`, METHOD, proto.method);
  };
  const takeMessage = (path: string, proto: DescriptorProto) => {
    take(path, proto);
    takeAll(`${path}.`, MESSAGE.field, proto.field);
    takeAll(`${path}.`, MESSAGE.oneof, proto.oneofDecl);
    for (const [index, one] of proto.enumType.entries()) takeEnum(`${path}.${MESSAGE.enum}.${index}`, one);
    for (const [index, one] of proto.nestedType.entries())
      takeMessage(`${path}.${MESSAGE.nested}.${index}`, one);
  };
  for (const [index, one] of file.messageType.entries()) takeMessage(`${FILE.message}.${index}`, one);
  for (const [index, one] of file.enumType.entries()) takeEnum(`${FILE.enum}.${index}`, one);
  for (const [index, one] of file.service.entries()) takeService(`${FILE.service}.${index}`, one);
  takeAll("", FILE.extension, file.extension);
  return comments;
}
