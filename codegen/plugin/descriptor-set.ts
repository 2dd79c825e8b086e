import { clone, create, type DescFile, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/**
 * The descriptors of a file and of all that it imports, each after what it needs itself, as base64 of a
 * google.protobuf.FileDescriptorSet.
 *
 * @param comments keep source info, and with it the comments; those of google/protobuf are left out all the same.
 */
export function descriptorSet(file: DescFile, { comments }: { comments: boolean }): string {
  const files = withImports(file, new Set()).map(({ proto }) => {
    if (comments && !proto.name.startsWith("google/protobuf/")) return proto;
    const bare = clone(FileDescriptorProtoSchema, proto);
    delete bare.sourceCodeInfo;
    return bare;
  });
  const set = create(FileDescriptorSetSchema, { file: files });
  return Buffer.from(toBinary(FileDescriptorSetSchema, set)).toString("base64");
}

function withImports(file: DescFile, seen: Set<string>): DescFile[] {
  if (seen.has(file.name)) return [];
  seen.add(file.name);
  return [...file.dependencies.flatMap((imported) => withImports(imported, seen)), file];
}
