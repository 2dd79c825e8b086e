import type { DescFile, DescMessage } from "@bufbuild/protobuf";
import { Edition, FieldDescriptorProto_Type as FieldType } from "@bufbuild/protobuf/wkt";
import { getComments } from "@bufbuild/protoplugin";
import type { Problem } from "../problems.ts";
import { placeOf } from "./source-place.ts";

/** Field of google.protobuf.FileDescriptorProto whose place is that of the file's first statement. */
const syntax = [12];

/** Finds what a contract may say and ts-proto would write wrongly, so that no data is lost unseen. */
export function checkSyntax(file: DescFile, problems: Problem[]): void {
  const report = (path: readonly number[], message: string) =>
    problems.push({ file: file.proto.name, ...placeOf(file, path), message });
  if (file.edition !== Edition.EDITION_PROTO2 && file.edition !== Edition.EDITION_PROTO3)
    report(
      syntax,
      `The file is of edition ${Edition[file.edition].replace("EDITION_", "")}, which ts-proto encodes wrongly. Begin it with syntax = "proto3";`,
    );
  for (const message of file.messages) checkMessage(message, report);
}

function checkMessage(
  message: DescMessage,
  report: (path: readonly number[], message: string) => void,
): void {
  for (const field of message.fields) {
    const path = getComments(field).sourcePath;
    if (field.proto.type === FieldType.GROUP)
      report(
        path,
        `${message.name} has the group ${field.name}, which cannot be generated. Make it a message of its own and a field of that type.`,
      );
    if (field.proto.type === FieldType.BYTES && field.proto.defaultValue !== "")
      report(
        path,
        `${message.name}.${field.name} has a default of bytes, which cannot be generated. Remove the default and apply it in the code.`,
      );
  }
  for (const nested of message.nestedMessages) checkMessage(nested, report);
}
