import type { GeneratedFile, Printable } from "@bufbuild/protoplugin";
import { commentOf } from "./comments.ts";
import { formatDuration } from "./duration.ts";
import type { MethodModel, ServiceModel } from "./service-model.ts";

/** The comment of a service for the code that is generated of it. */
export function serviceDoc(f: GeneratedFile, service: ServiceModel, lead = ""): Printable {
  const { desc, settings } = service;
  return f.jsDoc(
    paragraphs(
      lead,
      commentOf(desc) || (settings?.summary ?? ""),
      `@generated from service ${desc.typeName}`,
      desc.deprecated ? "@deprecated" : "",
    ),
  );
}

/** The comment of a method, with what a caller must know. Printed with its line break. */
export function methodDoc(f: GeneratedFile, method: MethodModel, indentation: string): Printable {
  const { desc, settings } = method;
  const facts = [
    settings.deadlineMs > 0 ? `Deadline ${formatDuration(settings.deadlineMs)}.` : "",
    settings.idempotency === "unknown" ? "" : "May be called again.",
    settings.mode === "sync" ? "" : `Mode ${settings.mode}.`,
    settings.durable === true ? "Durable." : "",
  ];
  const text = paragraphs(
    commentOf(desc),
    facts.filter((fact) => fact !== "").join(" "),
    desc.deprecated ? "@deprecated" : "",
  );
  return text === "" ? [] : [f.jsDoc(text, indentation), "\n"];
}

function paragraphs(...parts: string[]): string {
  return parts.filter((part) => part !== "").join("\n\n");
}
