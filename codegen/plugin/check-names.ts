import type {
  DescEnum,
  DescField,
  DescFile,
  DescMessage,
  DescMethod,
  DescOneof,
  DescService,
} from "@bufbuild/protobuf";
import { getComments } from "@bufbuild/protoplugin";
import { methodName, snakeToCamel } from "../names.ts";
import type { Problem } from "../problems.ts";
import { placeOf } from "./source-place.ts";
import { tsTypeName } from "./symbols.ts";

type Named = DescMessage | DescEnum | DescField | DescOneof | DescService | DescMethod;

/** Finds names that a contract may have and TypeScript cannot, and says what to rename. */
export function checkNames(file: DescFile, problems: Problem[]): void {
  const report = (desc: Named, message: string) => {
    const place = placeOf(file, getComments(desc).sourcePath);
    problems.push({ file: file.proto.name, ...place, message });
  };
  const messages = file.messages.flatMap(withNested);
  const enums = [...file.enums, ...messages.flatMap((message) => message.nestedEnums)];
  reportTwins([...messages, ...enums], tsTypeName, "type", report);
  for (const message of messages) checkMessage(message, report);
  for (const service of file.services) {
    reportTwins(service.methods, (method) => methodName(method.name), "function", report);
    for (const method of service.methods) {
      if (methodName(method.name) !== "then") continue;
      report(
        method,
        `A client with a function "then" passes for a Promise. Rename the method ${method.name}, such as to Next.`,
      );
    }
  }
}

function withNested(message: DescMessage): DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(withNested)];
}

function checkMessage(message: DescMessage, report: (desc: Named, message: string) => void): void {
  reportTwins(message.members, (member) => snakeToCamel(member.name), "property", report);
  for (const member of message.members) {
    const name = snakeToCamel(member.name);
    if (!/^[A-Za-z_]/.test(name))
      report(
        member,
        `${member.kind} ${member.name} of ${message.name} has no letter to begin its property with. Rename it.`,
      );
  }
}

/** Two different names in the contract that are the same one in TypeScript. */
function reportTwins<Desc extends Named>(
  descs: readonly Desc[],
  nameOf: (desc: Desc) => string,
  what: string,
  report: (desc: Named, message: string) => void,
): void {
  const first = new Map<string, Desc>();
  for (const desc of descs) {
    const name = nameOf(desc);
    const twin = first.get(name);
    if (twin === undefined) first.set(name, desc);
    else
      report(
        desc,
        `${desc.name} and ${twin.name} are both the ${what} "${name}" in TypeScript. Rename one of them.`,
      );
  }
}
