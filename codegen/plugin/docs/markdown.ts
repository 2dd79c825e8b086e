import type { DescEnum, DescFile, DescMessage } from "@bufbuild/protobuf";
import { commentOf, commentOfFile } from "../comments.ts";
import type { MethodModel, ServiceModel } from "../service-model.ts";
import { aboutSections } from "./about.ts";
import { docsLink } from "./links.ts";
import {
  enumsOf,
  fieldType,
  messagesOf,
  methodFacts,
  otherTypeName,
  serviceFacts,
  shortName,
  type TypeText,
} from "./model.ts";

/** The docs of a file in Markdown (GitHub's flavour): services, methods, messages, enums. */
export function docsMarkdown(file: DescFile, services: readonly ServiceModel[]): string {
  const blocks = [`# ${escapeText(file.proto.package || file.proto.name)}`, block(commentOfFile(file))];
  blocks.push(`From \`${file.proto.name}\`.`);
  for (const service of services) blocks.push(...serviceBlocks(service, file));
  for (const message of messagesOf(file)) blocks.push(...messageBlocks(message, file));
  for (const desc of enumsOf(file)) blocks.push(...enumBlocks(desc, file));
  return blocks.filter((text) => text !== "").join("\n\n");
}

function serviceBlocks(service: ServiceModel, file: DescFile): string[] {
  const { desc, settings } = service;
  return [
    `${anchor(desc.typeName)}\n\n## Service ${escapeText(desc.name)}`,
    desc.deprecated ? "**Deprecated.**" : "",
    block(settings?.summary ?? ""),
    block(commentOf(desc)),
    block(settings?.description ?? ""),
    ...aboutSections(settings?.about).flatMap(({ title, markdown }) => [`### ${title}`, block(markdown)]),
    table(
      ["Setting", "Value"],
      serviceFacts(service).map(([name, value]) => [name, escapeText(value)]),
    ),
    ...service.methods.flatMap((method) => methodBlocks(method, file)),
  ];
}

function methodBlocks(method: MethodModel, file: DescFile): string[] {
  const { desc } = method;
  const link = (type: DescMessage, stream: boolean) =>
    typeLink(
      { before: stream ? "stream of " : "", name: shortName(type, file), after: "", target: type },
      file,
    );
  const request = link(desc.input, method.requestStream);
  const response = link(desc.output, method.responseStream);
  return [
    `${anchor(`${desc.parent.typeName}.${desc.name}`)}\n\n### ${escapeText(desc.name)}`,
    `${request} → ${response} · ${methodFacts(method).join(" · ")}`,
    block(commentOf(desc)),
  ];
}

function messageBlocks(message: DescMessage, file: DescFile): string[] {
  const rows = message.fields.map((field) => [
    `\`${field.name}\``,
    typeLink(fieldType(field, file), file),
    String(field.number),
    cell(
      [
        field.deprecated ? "**Deprecated.**" : "",
        field.oneof === undefined ? "" : `One of \`${field.oneof.name}\`.`,
        commentOf(field),
      ]
        .filter((text) => text !== "")
        .join(" "),
    ),
  ]);
  return [
    `${anchor(message.typeName)}\n\n## Message ${escapeText(shortName(message, file))}`,
    message.deprecated ? "**Deprecated.**" : "",
    otherName(message),
    block(commentOf(message)),
    rows.length === 0 ? "No fields." : table(["Field", "Type", "No.", "Meaning"], rows),
  ];
}

function enumBlocks(desc: DescEnum, file: DescFile): string[] {
  const rows = desc.values.map((value) => [
    `\`${value.name}\``,
    String(value.number),
    cell(`${value.deprecated ? "**Deprecated.** " : ""}${commentOf(value)}`),
  ]);
  return [
    `${anchor(desc.typeName)}\n\n## Enum ${escapeText(shortName(desc, file))}`,
    desc.deprecated ? "**Deprecated.**" : "",
    otherName(desc),
    block(commentOf(desc)),
    table(["Value", "No.", "Meaning"], rows),
  ];
}

function otherName(desc: DescMessage | DescEnum): string {
  const name = otherTypeName(desc);
  return name === undefined ? "" : `In TypeScript \`${name}\`.`;
}

function typeLink(type: TypeText, file: DescFile): string {
  const name = escapeText(type.name);
  const link = type.target === undefined ? undefined : docsLink(type.target, file, "md");
  return escapeText(type.before) + (link === undefined ? name : `[${name}](${link})`) + type.after;
}

function anchor(id: string): string {
  return `<a id="${id}"></a>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Comments are Markdown already; only raw HTML in them is turned into text. */
function block(text: string): string {
  return text.replace(/\u2028|\u2029/g, "\n").replaceAll("<", "&lt;");
}

function cell(text: string): string {
  return block(text)
    .replace(/\s*\n\s*/g, " ")
    .replaceAll("|", "\\|")
    .trim();
}

function escapeText(text: string): string {
  return block(text).replace(/[\\`*_[\]|#]/g, "\\$&");
}
