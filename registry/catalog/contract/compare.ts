import type { DescEnum, DescField, DescMessage, DescMethod } from "@bufbuild/protobuf";
import { type Change, Change_Kind } from "#proto/rouse/catalog/v1/catalog.ts";
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
  /** What callers depend on: when it differs, or is gone, they break. Undefined: they do not depend on it. */
  readonly wire?: string;
}

/**
 * What differs between two versions: methods, messages, fields, enums, their values, and options. Fields and enum values are
 * matched by number, as on the wire.
 *
 * "breaking" is said of what generated code or JSON of callers would notice: something gone, another type, number, name, shape
 * of a stream or narrower exposure. Whether anybody calls it, the gate of a promotion says.
 */
export function compareContracts(from: Side, to: Side): Change[] {
  const changes = [
    ...difference(methodItems(from), methodItems(to)),
    ...typeChanges(from.contract, to.contract),
    ...difference(optionItems(from.manifest), optionItems(to.manifest)),
  ];
  return changes;
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
    changes.push(...difference(memberItems(type), memberItems(other)));
  }
  return changes;
}

function typesOf({ service }: Contract): Map<string, DescMessage | DescEnum> {
  return new Map(reachableTypes(service).map((type) => [type.typeName, type]));
}

function typeItem(type: DescMessage | DescEnum): Item {
  return { subject: `${type.kind} ${type.typeName}`, text: `${type.kind} ${type.typeName}`, wire: type.kind };
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

/** Settings of a manifest that callers or hosts notice; text of the description is not one. */
function optionItems(manifest: VersionManifest): Map<string, Item> {
  const { resources } = manifest;
  const options: [string, string, (string | undefined)?][] = [
    // Callers from outside break when it is no longer for them; the other way nobody does.
    ["exposure", manifest.exposure, manifest.exposure === "external" ? "external" : undefined],
    ["session key", manifest.sessionKey],
    ["owner", manifest.owner],
    ["cpu", `${resources.cpu} cores`],
    ["memory", `${resources.memory / 2 ** 20} MiB`],
    ["gpu", String(resources.gpu)],
    [
      "labels",
      Object.entries(resources.labels)
        .map((pair) => pair.join("="))
        .sort()
        .join(", "),
    ],
    ["start timeout", milliseconds(manifest.startTimeoutMs)],
    ["idle timeout", manifest.idleTimeoutMs === 0 ? "never" : milliseconds(manifest.idleTimeoutMs)],
    ["target concurrency", String(manifest.targetConcurrency)],
    ["min instances", String(manifest.minInstances)],
    ["max instances", String(manifest.maxInstances)],
    ["load balancing", manifest.loadBalancing],
    ["approval", manifest.approval ?? "none"],
    ...manifest.methods.flatMap(
      ({ name, mode, deadlineMs, idempotency }): [string, string, (string | undefined)?][] => [
        [`mode of ${name}`, mode, mode],
        [`deadline of ${name}`, deadlineMs === 0 ? "none" : milliseconds(deadlineMs)],
        // Who repeats calls because they may must not do so any longer.
        [`idempotency of ${name}`, idempotency, idempotency === "unknown" ? undefined : idempotency],
      ],
    ),
  ];
  return new Map(
    options.map(([name, text, wire]) => [
      name,
      { subject: `option ${name}`, text, ...(wire === undefined ? {} : { wire }) },
    ]),
  );
}

function milliseconds(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000} s` : `${ms} ms`;
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
        breaking: before.wire !== undefined,
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
