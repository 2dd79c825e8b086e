import type { Hit, ServiceSummary } from "#proto/rouse/catalog/v1/catalog.ts";
import { harmless, styled, terminalWidth, wrap } from "./text.ts";

/** One hit of a search: the service, how it is, what it does, and where the words were found. */
export function hitLines({ service, matches }: Hit, width = terminalWidth()): string[] {
  if (service === undefined) return [];
  // Its name and summary are told anyway.
  const others = matches.filter(({ where }) => where !== "name" && where !== "summary");
  return [
    styled("bold", service.name),
    ...wrap(summaryFacts(service).join(" · "), "  ", width),
    ...(service.summary === "" ? [] : wrap(service.summary, "  ", width)),
    ...others.map(({ where, text }) => styled("dim", clip(`  ${where}: ${harmless(text)}`, width))),
  ];
}

/** State, version, tags and owner of a service, in few words. */
export function summaryFacts(service: ServiceSummary): string[] {
  const versions = service.versions === 1 ? "1 version" : `${service.versions} versions`;
  return [
    service.state,
    service.defaultVersion === "" ? "no release" : service.defaultVersion,
    versions,
    ...(service.tags.length === 0 ? [] : [service.tags.map(({ name }) => name).join(", ")]),
    service.owner,
    ...(service.external ? [] : ["internal"]),
    ...(service.deprecated ? ["deprecated"] : []),
  ];
}

/** A line that ends where the terminal does. */
function clip(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}
