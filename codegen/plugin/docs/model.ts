import type { DescEnum, DescField, DescFile, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { DEFAULT_JOB } from "../../../registry/jobs.ts";
import { placementText } from "../../../registry/placement-rules.ts";
import { sessionsOf } from "../../../registry/sessions.ts";
import { formatDuration } from "../duration.ts";
import { formatMemory } from "../memory.ts";
import type { MethodModel, ServiceModel } from "../service-model.ts";
import { tsTypeName } from "../symbols.ts";
import { aboutFacts } from "./about.ts";

/** A type in the docs: its words, and the message or enum it leads to. */
export interface TypeText {
  readonly before: string;
  readonly name: string;
  readonly after: string;
  readonly target?: DescMessage | DescEnum;
}

/** Messages of a file, nested ones after what they are in; without the entries of maps. */
export function messagesOf(file: DescFile): DescMessage[] {
  const withNested = (message: DescMessage): DescMessage[] => [
    message,
    ...message.nestedMessages.flatMap(withNested),
  ];
  return file.messages.flatMap(withNested);
}

/** Enums of a file, those in messages too. */
export function enumsOf(file: DescFile): DescEnum[] {
  return [...file.enums, ...messagesOf(file).flatMap((message) => message.nestedEnums)];
}

/** Name of a type as one says it: without its package when it's of the same. */
export function shortName(target: DescMessage | DescEnum, file: DescFile): string {
  const scope = `${file.proto.package}.`;
  return target.typeName.startsWith(scope) ? target.typeName.slice(scope.length) : target.typeName;
}

/** Type of a field: "repeated Feature", "map of string to int64". */
export function fieldType(field: DescField, file: DescFile): TypeText {
  const named = (target: DescMessage | DescEnum, before: string): TypeText => ({
    before,
    name: shortName(target, file),
    after: "",
    target,
  });
  const plain = (before: string, scalar: ScalarType): TypeText => ({
    before,
    name: scalarName(scalar),
    after: "",
  });
  switch (field.fieldKind) {
    case "scalar":
      return plain(field.presence === 1 && field.proto.proto3Optional ? "optional " : "", field.scalar);
    case "enum":
      return named(field.enum, field.proto.proto3Optional ? "optional " : "");
    case "message":
      return named(field.message, "");
    case "list":
      if (field.listKind === "scalar") return plain("repeated ", field.scalar);
      return named(field.listKind === "enum" ? field.enum : field.message, "repeated ");
    case "map": {
      const before = `map of ${scalarName(field.mapKey)} to `;
      if (field.mapKind === "scalar") return plain(before, field.scalar);
      return named(field.mapKind === "enum" ? field.enum : field.message, before);
    }
  }
}

function scalarName(scalar: ScalarType): string {
  return ScalarType[scalar].toLowerCase();
}

/** How a method is called: "unary", "server stream", … */
export function shapeOf(method: MethodModel): string {
  if (method.requestStream) return method.responseStream ? "stream in both directions" : "client stream";
  return method.responseStream ? "server stream" : "unary";
}

const MODE_WORDS = {
  async: "asynchronous",
  both: "synchronous or asynchronous",
  job: "a job: ordered, not called",
} as const;

/** What a caller must know of a method beside its types. */
export function methodFacts(method: MethodModel): string[] {
  const { deadlineMs, durable, idempotency, job, mode } = method.settings;
  const facts = [shapeOf(method)];
  facts.push(deadlineMs === 0 ? "no deadline" : `deadline ${formatDuration(deadlineMs)}`);
  if (idempotency === "no_side_effects") facts.push("no side effects");
  if (idempotency === "idempotent") facts.push("idempotent");
  if (mode !== "sync") facts.push(MODE_WORDS[mode]);
  if (job !== undefined) {
    facts.push(`${formatMemory(job.diskBytes)} of scratch space`, `${job.processes} processes`);
    if (job.outputBytes !== DEFAULT_JOB.outputBytes)
      facts.push(`${formatMemory(job.outputBytes)} of outputs at most`);
    if (job.retries > 0) facts.push(`tried ${job.retries} times more when it fails`);
  }
  if (durable === true) facts.push("durable");
  if (method.desc.deprecated) facts.push("deprecated");
  return facts;
}

/** The settings of a service as name and value, for a table. */
export function serviceFacts(service: ServiceModel): [string, string][] {
  const settings = service.settings;
  if (settings === undefined) return [["Registered", "no: the contract has no option rouse.mesh.v1.service"]];
  const { resources } = settings;
  const labels = Object.entries(resources.labels).map(([name, value]) => `${name}=${value}`);
  const facts: [string, string][] = [
    ["Version", settings.version],
    ["Owner", settings.owner],
    ["Callers", settings.exposure === "external" ? "everybody, by the edge" : "services of the mesh"],
    ["Processor", `${resources.cpu} cores`],
    ["Memory", formatMemory(resources.memory)],
    ["Start timeout", formatDuration(settings.startTimeoutMs)],
    ["Idle timeout", settings.idleTimeoutMs === 0 ? "never" : formatDuration(settings.idleTimeoutMs)],
    ["Instances", `${settings.minInstances} to ${settings.maxInstances}`],
    ["Calls per instance", `${settings.targetConcurrency} in progress`],
  ];
  if (resources.gpu > 0) facts.push(["GPUs", String(resources.gpu)]);
  if (labels.length > 0) facts.push(["Host labels", labels.join(", ")]);
  if (settings.placement !== undefined) facts.push(["Placement", placementText(settings.placement)]);
  const sessions = sessionsOf(settings);
  if (sessions !== undefined)
    facts.push(
      ["Session header", settings.sessionKey],
      ["Session ends", `after ${formatDuration(sessions.idleMs)} without call`],
    );
  if (settings.approval !== undefined) facts.push(["Needs approval for", settings.approval]);
  if (settings.loadBalancing !== "round_robin")
    facts.push(["Load balancing", settings.loadBalancing.replaceAll("_", " ")]);
  if (settings.balancing?.slowStartMs)
    facts.push(["Slow start", formatDuration(settings.balancing.slowStartMs)]);
  return [...facts, ...aboutFacts(settings.about)];
}

/** What a type is called in TypeScript, where that is another name than in the contract. */
export function otherTypeName(desc: DescMessage | DescEnum): string | undefined {
  const name = tsTypeName(desc);
  const said = desc.typeName.split(".").at(-1);
  return desc.parent === undefined && name !== said ? name : undefined;
}
