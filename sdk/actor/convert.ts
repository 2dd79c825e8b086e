import type { FieldShape, Shape } from "./shape.ts";

/*
 * Between an actor's values and messages of its contract. Values that are no object are in the message's one field, "value".
 */

/** A schema whose values are no object gets a message around it. */
export function wrapped(shape: Shape): Extract<Shape, { kind: "message" }> {
  if (shape.kind === "message") return shape;
  return { kind: "message", fields: [{ key: "value", name: "value", optional: false, docs: "", shape }] };
}

/** The value that a message carries. */
export function fromMessage(message: unknown, shape: Shape): unknown {
  if (shape.kind !== "message") return record(read(message, wrapped(shape))).value;
  return read(message, shape);
}

/** The message that carries a value. */
export function toMessage(value: unknown, shape: Shape): unknown {
  return shape.kind === "message" ? write(value, shape) : write({ value }, wrapped(shape));
}

function read(value: unknown, shape: Shape): unknown {
  switch (shape.kind) {
    case "list":
      return list(value).map((item) => read(item, shape.of));
    case "map":
      return mapValues(record(value), (item) => read(item, shape.of));
    case "message": {
      if (value === undefined) return undefined;
      const message = record(value);
      const out: Record<string, unknown> = {};
      for (const field of shape.fields) {
        const found = message[propertyOf(field)];
        if (found !== undefined) put(out, field.key, read(found, field.shape));
      }
      return out;
    }
    case "timestamp": {
      const { seconds, nanos } = record(value);
      return new Date(Number(seconds) * 1_000 + Math.floor(Number(nanos) / 1e6));
    }
    default:
      return value;
  }
}

function write(value: unknown, shape: Shape): unknown {
  switch (shape.kind) {
    case "list":
      return list(value).map((item) => write(item, shape.of));
    case "map":
      return mapValues(record(value), (item) => write(item, shape.of));
    case "message": {
      const given = record(value);
      const out: Record<string, unknown> = {};
      for (const field of shape.fields) {
        const found = given[field.key];
        // Null is a value of JSON only; lists and maps are never missing in a message.
        const missing = found === undefined || (found === null && field.shape.kind !== "value");
        const kept = missing ? empty(field.shape) : found;
        if (kept !== undefined) put(out, propertyOf(field), write(kept, field.shape));
      }
      return out;
    }
    case "timestamp": {
      const ms = value instanceof Date ? value.getTime() : Number(value);
      const seconds = Math.floor(ms / 1_000);
      return { seconds: BigInt(seconds), nanos: (ms - seconds * 1_000) * 1e6 };
    }
    case "value":
      return value === undefined ? null : (JSON.parse(JSON.stringify(value) ?? "null") as unknown);
    default:
      return value;
  }
}

function empty(shape: Shape): unknown {
  return shape.kind === "list" ? [] : shape.kind === "map" ? {} : undefined;
}

/** Name of a field in the code that is generated for the contract. */
function propertyOf({ name }: FieldShape): string {
  return name.replace(/_([a-z0-9])/g, (_, first: string) => first.toUpperCase());
}

function mapValues(from: Record<string, unknown>, change: (value: unknown) => unknown): object {
  const out = {};
  for (const [key, value] of Object.entries(from)) put(out, key, change(value));
  return out;
}

function put(out: object, key: string, value: unknown): void {
  Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true });
}

function record(value: unknown): Record<string, unknown> {
  return (value ?? {}) as Record<string, unknown>;
}

function list(value: unknown): unknown[] {
  return (value ?? []) as unknown[];
}
