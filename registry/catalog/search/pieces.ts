import type { About } from "#proto/rouse/catalog/v1/catalog.ts";
import type { VersionManifest } from "../../state.ts";
import type { Contract } from "../contract/contract.ts";
import { reachableTypes } from "../contract/reachable.ts";
import type { Piece } from "./document.ts";

/** What a person says of a version, and what its manifest does. */
export function describedPieces(name: string, manifest: VersionManifest, about: About): Piece[] {
  const long = (where: string, text: string): Piece => ({ field: "description", where, text });
  const listed = (kind: string, fields: About["parameters"]) =>
    fields.map((field) => long(`${kind} ${field.name}`, `${field.name}: ${field.description}`));
  return [
    { field: "name", where: "name", text: name },
    { field: "keywords", where: "keywords", text: about.keywords.join(", ") },
    { field: "summary", where: "summary", text: about.summary },
    { field: "owner", where: "owner", text: manifest.owner },
    long("description", about.description),
    long("purpose", about.purpose),
    long("usage", about.usage),
    long("misuse", about.misuse),
    long("workflow", about.workflow),
    ...listed("parameter", about.parameters),
    ...listed("metadata", about.metadata),
    ...about.links.map(({ title }) => long("link", title)),
  ];
}

/** Messages, enums, fields and all comments of a contract; those of google.protobuf are everybody's and say nothing. */
export function contractPieces({ service, comments }: Contract): Piece[] {
  const names: Piece[] = [];
  const texts: Piece[] = [];
  const comment = (what: string, text: string) =>
    texts.push({ field: "comments", where: `comment of ${what}`, text });
  comment("the service", comments.of(service.file, service));
  for (const method of service.methods) {
    names.push({ field: "methods", where: `method ${method.name}`, text: method.name });
    comment(method.name, comments.of(service.file, method));
  }
  const members: Piece[] = [];
  for (const type of reachableTypes(service)) {
    if (type.file.proto.package === "google.protobuf") continue;
    const kind = type.kind === "enum" ? "enum" : "message";
    names.push({ field: "messages", where: `${kind} ${type.name}`, text: type.name });
    comment(type.name, comments.of(type.file, type));
    for (const member of type.kind === "enum" ? type.values : type.fields) {
      const what = `${type.name}.${member.name}`;
      const where = `${type.kind === "enum" ? "value" : "field"} ${what}`;
      members.push({ field: "fields", where, text: member.name });
      comment(what, comments.of(type.file, member));
    }
  }
  return [...names, ...members, ...texts.filter(({ text }) => text !== "")];
}
