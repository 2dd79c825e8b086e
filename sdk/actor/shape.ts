import type { z } from "zod";

/*
 * What messages an actor's values become. Found from its schemas when its contract is generated; the generated program has it, so
 * that a server needs no schema to translate.
 */

/** What has a field of its own in proto3. */
export type Scalar =
  | "string"
  | "double"
  | "int32"
  | "uint32"
  | "int64"
  | "bool"
  | "bytes"
  | "timestamp"
  | "value";

/** The form of a value. "value" is google.protobuf.Value: any JSON. */
export type Shape =
  | { readonly kind: Scalar }
  | { readonly kind: "list" | "map"; readonly of: Shape }
  | MessageShape;

export interface MessageShape {
  readonly kind: "message";
  readonly fields: readonly FieldShape[];
}

export interface FieldShape {
  /** In the actor's value. */
  readonly key: string;
  /** In the contract, such as "first_name". */
  readonly name: string;
  /** May be left out. */
  readonly optional: boolean;
  readonly docs: string;
  readonly shape: Shape;
}

/** What is read of a zod schema: its definition, whichever copy of zod made it. */
interface Def {
  readonly type: string;
  readonly format?: string;
  readonly innerType?: AnySchema;
  readonly element?: AnySchema;
  readonly keyType?: AnySchema;
  readonly valueType?: AnySchema;
  readonly in?: AnySchema;
  readonly out?: AnySchema;
  readonly shape?: Readonly<Record<string, AnySchema>>;
  readonly values?: readonly unknown[];
}

interface AnySchema {
  readonly _zod: { readonly def: Def };
  meta?(): { readonly description?: string; readonly rouse?: unknown } | undefined;
}

const VALUE: Shape = { kind: "value" };
const plain: Readonly<Record<string, Scalar>> = {
  string: "string",
  enum: "string",
  template_literal: "string",
  boolean: "bool",
  bigint: "int64",
  date: "timestamp",
};

/** The form of a schema's values; what proto3 has no form for is any JSON. @param side "in": what it takes, "out": what it gives. */
export function shapeOf(schema: z.ZodType, side: "in" | "out"): Shape {
  return shape(schema as unknown as AnySchema, side).shape;
}

function shape(schema: AnySchema, side: "in" | "out"): { shape: Shape; optional: boolean } {
  const { def } = schema._zod;
  const inner = (one: AnySchema | undefined) =>
    one === undefined ? { shape: VALUE, optional: false } : shape(one, side);
  const required = (found: Shape) => ({ shape: found, optional: false });
  if (schema.meta?.()?.rouse === "bytes") return required({ kind: "bytes" });
  switch (def.type) {
    case "optional":
      return { shape: inner(def.innerType).shape, optional: true };
    case "default":
    case "prefault":
    case "catch":
      return { shape: inner(def.innerType).shape, optional: side === "in" };
    case "readonly":
    case "nonoptional":
      return inner(def.innerType);
    case "pipe":
      return inner(piped(def, side));
    case "number":
      return required({ kind: def.format === "int32" || def.format === "uint32" ? def.format : "double" });
    case "literal":
      return required({ kind: literal(def.values ?? []) });
    case "array":
      return required(element(inner(def.element), "list"));
    case "record":
      if (inner(def.keyType).shape.kind !== "string") return required(VALUE);
      return required(element(inner(def.valueType), "map"));
    case "object":
      return required({ kind: "message", fields: fieldsOf(def.shape ?? {}, side) });
  }
  const kind = plain[def.type];
  return required(kind === undefined ? VALUE : { kind });
}

/** Of a transform there is only the other side to be seen. */
function piped({ in: first, out: second }: Def, side: "in" | "out"): AnySchema | undefined {
  const wanted = side === "in" ? first : second;
  return wanted?._zod.def.type === "transform" ? undefined : wanted;
}

function literal(values: readonly unknown[]): Scalar {
  const types = new Set(values.map((value) => typeof value));
  if (types.size !== 1) return "value";
  const [type] = types;
  return type === "string" ? "string" : type === "boolean" ? "bool" : type === "number" ? "double" : "value";
}

/** proto3 repeats scalars and messages, and nothing that is repeated itself or may be missing. */
function element(of: { shape: Shape; optional: boolean }, kind: "list" | "map"): Shape {
  const nested = of.shape.kind === "list" || of.shape.kind === "map";
  return { kind, of: nested || of.optional ? VALUE : of.shape };
}

function fieldsOf(fields: Readonly<Record<string, AnySchema>>, side: "in" | "out"): FieldShape[] {
  return Object.entries(fields).map(([key, schema]) => ({
    key,
    name: fieldName(key),
    docs: schema.meta?.()?.description ?? "",
    ...shape(schema, side),
  }));
}

/** "firstName" becomes "first_name". */
export function fieldName(key: string): string {
  return key.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
}
