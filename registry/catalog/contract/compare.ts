import type { DescEnum, DescField, DescMessage, DescMethod } from "@bufbuild/protobuf";
import { type Change, Change_Kind } from "#proto/rouse/catalog/v1/catalog.ts";
import { formatDuration } from "../../../codegen/plugin/duration.ts";
import { formatMemory } from "../../../codegen/plugin/memory.ts";
import { placementText } from "../../placement-rules.ts";
import { compareManifests } from "../../releases/compare-manifests.ts";
import { sessionsOf } from "../../sessions.ts";
import type { VersionManifest } from "../../state.ts";
import type { Contract } from "./contract.ts";
import { fieldText, fieldType } from "./field-text.ts";
import { reachableTypes } from "./reachable.ts";

/** A version with its contract. */
export interface Side {
  readonly manifest: VersionManifest;
  readonly contract: Contract;
}

/** Something of a contract that can be there or not, or be other. */
interface Item {
  readonly subject: string;
  /** As it is shown. */
  readonly text: string;
  /** What callers depend on: they break when it differs. Undefined: they do not depend on it. */
  readonly wire?: string;
  /** Callers do not break when it is gone; default: they do when they depend on it. */
  readonly dispensable?: boolean;
}

/**
 * What differs between two versions: methods, messages, fields, enums, their values, and options. Fields and enum values are
 * matched by number, as on the wire.
 *
 * "breaking" is said of what clients or JSON of callers may notice: something gone, another type, number, name or shape of a
 * stream, and of options by the rules of the gate that promotions pass. Whether anybody calls it, that gate says.
 */
export function compareContracts(from: Side, to: Side): Change[] {
  return [
    ...difference(methodItems(from), methodItems(to)),
    ...typeChanges(from.contract, to.contract),
    ...optionChanges(from.manifest, to.manifest),
  ];
}

function methodItems({ contract }: Side): Map<string, Item> {
  return byKey(
    contract.service.methods,
    ({ name }) => name,
    (method) => {
      const text = methodText(method);
      return { subject: `method ${method.name}`, text, wire: text };
    },
  );
}

function methodText({ name, input, output, proto }: DescMethod): string {
  const shape = (streams: boolean, type: string) => `${streams ? "stream " : ""}${type}`;
  return `rpc ${name}(${shape(proto.clientStreaming, input.typeName)}) returns (${shape(proto.serverStreaming, output.typeName)})`;
}

function typeChanges(from: Contract, to: Contract): Change[] {
  const [before, after] = [typesOf(from), typesOf(to)];
  const changes = difference(
    new Map([...before].map(([name, type]) => [name, typeItem(type)])),
    new Map([...after].map(([name, type]) => [name, typeItem(type)])),
  );
  for (const [name, type] of before) {
    const other = after.get(name);
    if (other === undefined) continue;
    const isReserved = reservedIn(other);
    const items = new Map(
      [...memberItems(type)].map(([number, item]) => [number, { ...item, dispensable: isReserved(number) }]),
    );
    changes.push(...difference(items, memberItems(other)));
  }
  return changes;
}

function typesOf({ service }: Contract): Map<string, DescMessage | DescEnum> {
  return new Map(reachableTypes(service).map((type) => [type.typeName, type]));
}

function typeItem(type: DescMessage | DescEnum): Item {
  const text = `${type.kind} ${type.typeName}`;
  // A type is gone when nothing leads to it any more: what led to it is told, and breaks.
  return { subject: text, text, wire: type.kind, dispensable: true };
}

/** Whether a number is kept from being used again: so its field may go, by the rules of buf. */
function reservedIn(type: DescMessage | DescEnum): (number: number) => boolean {
  // An enum's range includes its end, a message's does not.
  const last = type.kind === "enum" ? 0 : 1;
  const ranges = type.proto.reservedRange;
  return (number) => ranges.some(({ start, end }) => number >= start && number <= end - last);
}

function memberItems(type: DescMessage | DescEnum): Map<number, Item> {
  if (type.kind === "enum") {
    return byKey(
      type.values,
      ({ number }) => number,
      (value) => {
        const text = `${value.name} = ${value.number}${value.deprecated ? " [deprecated = true]" : ""}`;
        return { subject: `value ${type.typeName}.${value.name}`, text, wire: value.name };
      },
    );
  }
  return byKey(
    type.fields,
    ({ number }) => number,
    (field) => ({
      subject: `field ${type.typeName}.${field.name}`,
      text: `${fieldText(field)}${field.oneof === undefined ? "" : ` in oneof ${field.oneof.name}`}`,
      wire: fieldWire(field),
    }),
  );
}

function fieldWire(field: DescField): string {
  return [fieldType(field), field.name, field.jsonName, field.oneof?.name ?? ""].join(" ");
}

/** An option's name, its text, and the rule of the gate that looks at it. */
type Option = readonly [name: string, text: string, rule?: string, method?: string];

/** Settings of a manifest that callers or hosts notice; text of the description is not one. */
function optionsOf(manifest: VersionManifest): Option[] {
  const { resources } = manifest;
  const labels = Object.entries(resources.labels).map((pair) => pair.join("="));
  return [
    ["exposure", manifest.exposure, "MANIFEST_EXPOSURE"],
    ["session key", manifest.sessionKey || "none", "MANIFEST_SESSION_KEY"],
    ["owner", manifest.owner],
    ["cpu", String(resources.cpu)],
    ["memory", formatMemory(resources.memory)],
    ["gpu", String(resources.gpu)],
    ["labels", labels.sort().join(", ") || "none"],
    ["start timeout", formatDuration(manifest.startTimeoutMs)],
    ["idle timeout", manifest.idleTimeoutMs === 0 ? "never" : formatDuration(manifest.idleTimeoutMs)],
    ["target concurrency", String(manifest.targetConcurrency)],
    ["min instances", String(manifest.minInstances)],
    ["max instances", String(manifest.maxInstances)],
    ["placement", manifest.placement === undefined ? "none" : placementText(manifest.placement)],
    ["load balancing", manifest.loadBalancing],
    ["slow start", manifest.balancing?.slowStartMs ? formatDuration(manifest.balancing.slowStartMs) : "none"],
    ["sessions", sessionTimes(manifest)],
    ["approval", manifest.approval ?? "none"],
    ...manifest.methods.flatMap(({ name, mode, deadlineMs, idempotency }): Option[] => [
      [`mode of ${name}`, mode, "MANIFEST_MODE", name],
      [
        `deadline of ${name}`,
        deadlineMs === 0 ? "none" : formatDuration(deadlineMs),
        "MANIFEST_DEADLINE",
        name,
      ],
      [`idempotency of ${name}`, idempotency, "MANIFEST_IDEMPOTENCY", name],
    ]),
  ];
}

function sessionTimes(manifest: VersionManifest): string {
  const sessions = sessionsOf(manifest);
  if (sessions === undefined) return "none";
  const [idle, retire, handOver] = [sessions.idleMs, sessions.retireMs, sessions.handOverMs].map(
    formatDuration,
  );
  return `over after ${idle}, kept for ${retire} by a retiring instance, handed over in ${handOver}`;
}

function optionChanges(from: VersionManifest, to: VersionManifest): Change[] {
  const breaking = new Set(
    compareManifests(to, from)
      .filter(({ severity }) => severity === "breaking")
      .flatMap(({ rule, methods }) =>
        methods.length === 0 ? [`${rule} `] : methods.map((name) => `${rule} ${name}`),
      ),
  );
  const before = new Map(optionsOf(from).map((option) => [option[0], option]));
  return optionsOf(to).flatMap(([name, text, rule, method]): Change[] => {
    const old = before.get(name);
    // Options of methods that are new are no news of their own.
    if (old === undefined || old[1] === text) return [];
    const breaks = rule !== undefined && breaking.has(`${rule} ${method ?? ""}`);
    return [
      { kind: Change_Kind.CHANGED, subject: `option ${name}`, from: old[1], to: text, breaking: breaks },
    ];
  });
}

function byKey<Key, Value>(
  values: readonly Value[],
  key: (value: Value) => Key,
  item: (value: Value) => Item,
): Map<Key, Item> {
  const items = new Map<Key, Item>();
  // Of aliases in an enum the first name counts.
  for (const value of values) if (!items.has(key(value))) items.set(key(value), item(value));
  return items;
}

function difference<Key>(from: ReadonlyMap<Key, Item>, to: ReadonlyMap<Key, Item>): Change[] {
  const changes: Change[] = [];
  for (const [key, before] of from) {
    const after = to.get(key);
    if (after === undefined) {
      changes.push({
        kind: Change_Kind.REMOVED,
        subject: before.subject,
        from: before.text,
        to: "",
        breaking: before.wire !== undefined && before.dispensable !== true,
      });
    } else if (before.text !== after.text || before.wire !== after.wire) {
      changes.push({
        kind: Change_Kind.CHANGED,
        subject: after.subject,
        from: before.text,
        to: after.text,
        breaking: before.wire !== undefined && before.wire !== after.wire,
      });
    }
  }
  for (const [key, after] of to) {
    if (from.has(key)) continue;
    changes.push({
      kind: Change_Kind.ADDED,
      subject: after.subject,
      from: "",
      to: after.text,
      breaking: false,
    });
  }
  return changes;
}
