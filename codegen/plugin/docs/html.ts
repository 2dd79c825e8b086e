import type { DescEnum, DescFile, DescMessage } from "@bufbuild/protobuf";
import { commentOf, commentOfFile } from "../comments.ts";
import type { MethodModel, ServiceModel } from "../service-model.ts";
import { aboutSections } from "./about.ts";
import { escapeHtml, markdownToHtml } from "./html-text.ts";
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
import { docsStyle } from "./style.ts";

/** The docs of a file as one HTML page that loads nothing else. */
export function docsHtml(file: DescFile, services: readonly ServiceModel[]): string {
  const title = escapeHtml(file.proto.package || file.proto.name);
  const parts = [
    ...services.map((service) => servicePart(service, file)),
    ...messagesOf(file).map((message) => messagePart(message, file)),
    ...enumsOf(file).map((desc) => enumPart(desc, file)),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>
${docsStyle}
</style>
</head>
<body>
<h1>${title}</h1>
${markdownToHtml(commentOfFile(file))}<p class="facts">From <code>${escapeHtml(file.proto.name)}</code></p>
${contents(file, services)}
${parts.join("\n")}
</body>
</html>
`;
}

function contents(file: DescFile, services: readonly ServiceModel[]): string {
  const items = [
    ...services.flatMap(({ desc, methods }) => [
      [desc.typeName, `Service ${desc.name}`],
      ...methods.map((method) => [
        `${desc.typeName}.${method.desc.name}`,
        `${desc.name}.${method.desc.name}`,
      ]),
    ]),
    ...messagesOf(file).map((message) => [message.typeName, shortName(message, file)]),
    ...enumsOf(file).map((desc) => [desc.typeName, shortName(desc, file)]),
  ];
  const links = items.map(
    ([id = "", text = ""]) => `<li><a href="#${escapeHtml(id)}">${escapeHtml(text)}</a></li>`,
  );
  return `<nav aria-label="Contents"><ul>\n${links.join("\n")}\n</ul></nav>`;
}

function servicePart(service: ServiceModel, file: DescFile): string {
  const { desc, settings } = service;
  const rows = serviceFacts(service).map(([name, value]) => [escapeHtml(name), escapeHtml(value)]);
  return [
    heading(2, desc.typeName, `Service ${desc.name}`, desc.deprecated),
    markdownToHtml(settings?.summary ?? ""),
    markdownToHtml(commentOf(desc)),
    markdownToHtml(settings?.description ?? ""),
    ...aboutSections(settings?.about).map(
      ({ title, markdown }) => `<h3>${escapeHtml(title)}</h3>\n${markdownToHtml(markdown)}`,
    ),
    table(["Setting", "Value"], rows),
    ...service.methods.map((method) => methodPart(method, file)),
  ].join("\n");
}

function methodPart(method: MethodModel, file: DescFile): string {
  const { desc } = method;
  const link = (type: DescMessage, stream: boolean) =>
    typeLink(
      { before: stream ? "stream of " : "", name: shortName(type, file), after: "", target: type },
      file,
    );
  const types = `${link(desc.input, method.requestStream)} → ${link(desc.output, method.responseStream)}`;
  return [
    heading(3, `${desc.parent.typeName}.${desc.name}`, desc.name, desc.deprecated),
    `<p>${types}<br><span class="facts">${methodFacts(method).join(" · ")}</span></p>`,
    markdownToHtml(commentOf(desc)),
  ].join("\n");
}

function messagePart(message: DescMessage, file: DescFile): string {
  const rows = message.fields.map((field) => [
    `<code>${field.name}</code>`,
    typeLink(fieldType(field, file), file),
    String(field.number),
    `${field.deprecated ? mark : ""}${field.oneof === undefined ? "" : `<p>One of <code>${field.oneof.name}</code>.</p>`}${markdownToHtml(commentOf(field))}`,
  ]);
  return [
    heading(2, message.typeName, `Message ${shortName(message, file)}`, message.deprecated),
    otherName(message),
    markdownToHtml(commentOf(message)),
    rows.length === 0 ? "<p>No fields.</p>" : table(["Field", "Type", "No.", "Meaning"], rows),
  ].join("\n");
}

function enumPart(desc: DescEnum, file: DescFile): string {
  const rows = desc.values.map((value) => [
    `<code>${value.name}</code>`,
    String(value.number),
    `${value.deprecated ? mark : ""}${markdownToHtml(commentOf(value))}`,
  ]);
  return [
    heading(2, desc.typeName, `Enum ${shortName(desc, file)}`, desc.deprecated),
    otherName(desc),
    markdownToHtml(commentOf(desc)),
    table(["Value", "No.", "Meaning"], rows),
  ].join("\n");
}

const mark = '<span class="deprecated">Deprecated.</span> ';

function heading(level: number, id: string, text: string, deprecated: boolean): string {
  const title = `<h${level} id="${escapeHtml(id)}">${escapeHtml(text)}</h${level}>`;
  return deprecated ? `${title}\n<p>${mark}</p>` : title;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((text) => `<${tag}>${text}</${tag}>`).join("")}</tr>`;
  const body = rows.map((cells) => line(cells, "td")).join("\n");
  return `<div class="wide"><table>\n<thead>${line(head, "th")}</thead>\n<tbody>\n${body}\n</tbody></table></div>`;
}

function otherName(desc: DescMessage | DescEnum): string {
  const name = otherTypeName(desc);
  return name === undefined ? "" : `<p class="facts">In TypeScript <code>${name}</code></p>`;
}

function typeLink(type: TypeText, file: DescFile): string {
  const name = escapeHtml(type.name);
  const link = type.target === undefined ? undefined : docsLink(type.target, file, "html");
  const shown = link === undefined ? name : `<a href="${escapeHtml(link)}">${name}</a>`;
  return escapeHtml(type.before) + shown + escapeHtml(type.after);
}
