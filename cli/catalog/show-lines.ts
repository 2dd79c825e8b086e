import type {
  About,
  Field,
  GetContractResponse,
  GetServiceResponse,
  MethodDoc,
  Needs,
  ServiceState,
  VersionInfo,
} from "#proto/rouse/catalog/v1/catalog.ts";
import { formatDuration } from "../../codegen/plugin/duration.ts";
import { formatMemory } from "../../codegen/plugin/memory.ts";
import { table } from "../table.ts";
import { harmless, styled, terminalWidth, wrap } from "./text.ts";

/** What `rouse show` knows of a service. */
export interface Shown {
  readonly details: GetServiceResponse;
  readonly contract: GetContractResponse;
  readonly live: ServiceState | undefined;
}

/** A service as a page of text: what it is, its versions, its methods. */
export function showLines({ details, contract, live }: Shown, width = terminalWidth()): string[] {
  const version = details.versions.find((one) => one.version === contract.version);
  const state = live?.versions.find((one) => one.version === contract.version);
  const name = details.summary?.name ?? "";
  const head = `${styled("bold", `${name} ${contract.version}`)}${state === undefined ? "" : ` (${state.state})`}`;
  return [
    head,
    ...(state === undefined || state.reason === "" ? [] : wrap(state.reason, "  ", width)),
    ...(version === undefined ? [] : versionLines(version, details, width)),
    "",
    ...section("Versions", versionTable(details, live)),
    ...section(
      "Methods",
      contract.methods.flatMap((method) => methodLines(method, name, width)),
    ),
    `Call one: rouse call ${name}/${contract.methods[0]?.name ?? "METHOD"}`,
  ];
}

function versionLines(version: VersionInfo, details: GetServiceResponse, width: number): string[] {
  const { about, deprecated, approval, source } = version;
  const facts = [
    ["owner", details.summary?.owner ?? ""],
    ["registered", `${new Date(version.registeredAtMs).toISOString()} by ${version.registeredBy}`],
    ["source", source === undefined || source.repository === "" ? "" : sourceText(source)],
    ["runs", version.artifact],
    ["needs", version.needs === undefined ? "" : needsText(version.needs)],
    ["license", about?.license ?? ""],
    ["contact", about?.contact ?? ""],
    ["keywords", about?.keywords.join(", ") ?? ""],
  ].filter(([, text]) => text !== "");
  return [
    ...(deprecated === "" ? [] : wrap(`Deprecated: ${deprecated}`, "", width)),
    ...(approval === "pending" || approval === "denied" ? [`Approval: ${approval}`] : []),
    ...(about === undefined ? [] : aboutLines(about, width)),
    "",
    ...facts.flatMap(([name = "", text = ""]) => hanging(`${name}:`.padEnd(12), text, width)),
  ];
}

function aboutLines(about: About, width: number): string[] {
  const prose: [string, string][] = [
    ["", about.description],
    ["Why", about.purpose],
    ["How", about.usage],
    ["Not for", about.misuse],
    ["Workflow", about.workflow],
  ];
  return [
    ...wrap(about.summary, "", width),
    ...prose
      .filter(([, text]) => text !== "")
      .flatMap(([title, text]) => [
        "",
        ...(title === "" ? [] : [styled("bold", title)]),
        ...wrap(text, title === "" ? "" : "  ", width),
      ]),
    ...fieldLines("Parameters", about.parameters, width),
    ...fieldLines("Metadata", about.metadata, width),
    ...(about.links.length === 0
      ? []
      : [
          "",
          styled("bold", "Links"),
          ...about.links.map(({ title, url }) => `  ${harmless(title)}: ${harmless(url)}`),
        ]),
  ];
}

function fieldLines(title: string, fields: readonly Field[], width: number): string[] {
  if (fields.length === 0) return [];
  const lines = fields.flatMap(({ name, description, required }) =>
    hanging("  ", `${name}${required ? " (required)" : ""}: ${description}`, width),
  );
  return ["", styled("bold", title), ...lines];
}

function versionTable({ versions, summary }: GetServiceResponse, live: ServiceState | undefined): string[] {
  const rows = versions.map(({ version, deprecated, approval, registeredAtMs }) => {
    const state = live?.versions.find((one) => one.version === version);
    const tags = (summary?.tags ?? []).filter(({ members }) =>
      members.some((one) => one.version === version),
    );
    return [
      version,
      state?.state ?? "",
      tags.map(({ name }) => name).join(", ") || (summary?.defaultVersion === version ? "(default)" : "-"),
      new Date(registeredAtMs).toISOString().slice(0, 10),
      [deprecated === "" ? "" : "deprecated", approval].filter((note) => note !== "").join(", "),
    ];
  });
  return table(["VERSION", "STATE", "TAGS", "REGISTERED", "NOTE"], rows);
}

function methodLines(method: MethodDoc, service: string, width: number): string[] {
  const scope = service.slice(0, service.lastIndexOf(".") + 1);
  const short = (name: string) => (name.startsWith(scope) ? name.slice(scope.length) : name);
  const streams = (is: boolean) => (is ? "stream " : "");
  const head = `${method.name}(${streams(method.clientStreaming)}${short(method.input)}) → ${streams(method.serverStreaming)}${short(method.output)}`;
  const facts = [
    method.http,
    method.deadlineMs === 0 ? "no deadline" : `deadline ${formatDuration(method.deadlineMs)}`,
    ...(method.idempotency === "unknown" ? [] : [method.idempotency.replaceAll("_", " ")]),
    ...(method.mode === "sync" ? [] : [method.mode]),
  ];
  return [
    ...wrap(head, "  ", width).map((line) => styled("bold", line)),
    ...(method.docs === "" ? [] : wrap(method.docs, "    ", width)),
    ...wrap(facts.join(" · "), "    ", width).map((line) => styled("dim", line)),
  ];
}

function sourceText({ repository, ref, commit }: NonNullable<VersionInfo["source"]>): string {
  return `${repository} ${ref}${commit === "" ? "" : ` (${commit.slice(0, 12)})`}`;
}

function needsText({ cpu, memoryBytes, gpu, labels }: Needs): string {
  const parts = [`${cpu} ${cpu === 1 ? "core" : "cores"}`, formatMemory(memoryBytes)];
  if (gpu > 0) parts.push(`${gpu} GPU`);
  return [...parts, ...Object.entries(labels).map((pair) => pair.join("="))].join(", ");
}

/** A text behind a head; its further lines begin where the text does. */
function hanging(head: string, text: string, width: number): string[] {
  const indent = " ".repeat(head.length);
  return wrap(text, indent, width).map((line, at) => (at === 0 ? head + line.slice(head.length) : line));
}

function section(title: string, lines: readonly string[]): string[] {
  return [styled("bold", title), ...lines, ""];
}
