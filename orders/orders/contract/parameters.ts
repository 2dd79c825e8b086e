import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Registry,
} from "@bufbuild/protobuf";
import { RouseError } from "../../../sdk/errors.ts";
import { referenceIn, referencesIn } from "../reference.ts";
import { fieldOf, fieldShape, fieldsThereAre, isWellKnown, messageShape, type Shape } from "./shape.ts";

/** A place in parameters whose value comes from another task. */
export interface Hole {
  /** Such as "parameters.region.start". */
  readonly path: string;
  /** "tasks.NAME.…" */
  readonly from: string;
  readonly shape: Shape;
}

/** JSON is read by recursion; protobuf's own limit is the same. */
const DEEPEST = 100;
/** A request is read as one message. */
const MOST_BYTES = 16 * 2 ** 20;

/**
 * Checks the parameters of a task against its request message.
 *
 * @param text JSON by the mapping of proto3, with references where values are.
 * @param task Named in errors.
 * @returns the references, and where they stand.
 * @throws RouseError INVALID_ARGUMENT PARAMETERS_INVALID naming the field.
 */
export function checkParameters(text: string, input: DescMessage, types: Registry, task: string): Hole[] {
  const walk = new Walk(input.typeName, types, task);
  const value = parse(text === "" ? "{}" : text, task);
  const rest = walk.message(value, input, "parameters");
  try {
    // What only shows in the whole, such as two fields of one oneof.
    fromJson(input, rest, { registry: types });
  } catch (error) {
    throw invalid(task, `parameters are no ${input.typeName}: ${reasonOf(error)}`);
  }
  return walk.holes;
}

function parse(text: string, task: string): JsonValue {
  if (Buffer.byteLength(text) > MOST_BYTES)
    throw invalid(task, `parameters have more than ${MOST_BYTES / 2 ** 20} MiB`);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw invalid(task, `parameters are not JSON: ${(error as Error).message}`);
  }
  let level: readonly JsonValue[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) throw invalid(task, `parameters are nested deeper than ${DEEPEST} levels`);
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one) : []));
  }
  return value;
}

/** Goes through a JSON value beside its descriptor, and leaves out what is a reference. */
class Walk {
  readonly holes: Hole[] = [];
  readonly #root: string;
  readonly #types: Registry;
  readonly #task: string;

  constructor(root: string, types: Registry, task: string) {
    this.#root = root;
    this.#types = types;
    this.#task = task;
  }

  message(value: JsonValue, desc: DescMessage, path: string): JsonObject {
    if (!isObject(value)) {
      const what = path === "parameters" ? this.#root : desc.typeName;
      throw invalid(this.#task, `${path} must be an object, a ${what}, and is ${shown(value)}`);
    }
    const kept: [string, JsonValue][] = [];
    for (const [name, part] of Object.entries(value)) {
      const field = fieldOf(desc, name);
      const where = `${path}.${name}`;
      if (field === undefined)
        throw invalid(this.#task, `${where} is not in the contract: ${fieldsThereAre(desc)}`);
      const rest = this.#field(part, field, desc, where);
      if (rest !== undefined) kept.push([name, rest]);
    }
    return Object.fromEntries(kept);
  }

  /** @returns undefined for a reference. */
  #field(value: JsonValue, field: DescField, desc: DescMessage, path: string): JsonValue | undefined {
    if (this.#hole(value, fieldShape(field), path)) return undefined;
    if (value === null) return value;
    if (field.fieldKind === "message")
      return this.#messageValue(value, field.message, (one) => this.#leaf(one, field, desc, path, one), path);
    if (field.fieldKind === "list") {
      if (!Array.isArray(value)) throw invalid(this.#task, `${path} must be a list, and is ${shown(value)}`);
      return value.flatMap((one, at) => this.#element(one, field, desc, `${path}.${at}`, [one]) ?? []);
    }
    if (field.fieldKind === "map") {
      if (!isObject(value)) throw invalid(this.#task, `${path} must be an object, and is ${shown(value)}`);
      const kept = Object.entries(value).flatMap(([key, one]) => {
        const rest = this.#element(one, field, desc, `${path}.${key}`, Object.fromEntries([[key, one]]));
        return rest === undefined ? [] : [[key, rest[0] as JsonValue] as const];
      });
      return Object.fromEntries(kept);
    }
    return this.#leaf(value, field, desc, path, value);
  }

  /** An element of a list or a map, as a list of one; undefined for a reference. `whole`: a value of the field that has only it. */
  #element(
    value: JsonValue,
    field: DescField & { fieldKind: "list" | "map" },
    desc: DescMessage,
    path: string,
    whole: JsonValue,
  ): [JsonValue] | undefined {
    const shape = fieldShape(field);
    if ("of" in shape && this.#hole(value, shape.of, path)) return undefined;
    const leaf = () => this.#leaf(value, field, desc, path, whole);
    return [field.message === undefined ? leaf() : this.#messageValue(value, field.message, leaf, path)];
  }

  #messageValue(
    value: JsonValue,
    desc: DescMessage,
    leaf: (value: JsonValue) => JsonValue,
    path: string,
  ): JsonValue {
    if (!isWellKnown(desc)) return this.message(value, desc, path);
    if (messageShape(desc).kind !== "any") return leaf(value);
    for (const from of referencesIn(value)) this.holes.push({ path, from, shape: { kind: "any" } });
    return leaf(value);
  }

  /** Checks a value by itself, so that the error knows its path. */
  #leaf(value: JsonValue, field: DescField, desc: DescMessage, path: string, whole: JsonValue): JsonValue {
    try {
      fromJson(desc, Object.fromEntries([[field.jsonName, whole]]), { registry: this.#types });
    } catch (error) {
      throw invalid(this.#task, `${path}: ${reasonOf(error)}`);
    }
    return value;
  }

  #hole(value: JsonValue, shape: Shape, path: string): boolean {
    const from = referenceIn(value);
    if (from === undefined) return false;
    this.holes.push({ path, from, shape });
    return true;
  }
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** "cannot decode field a.B.c from JSON: expected …" without what the path says already. */
function reasonOf(error: unknown): string {
  return (error as Error).message.replace(/^cannot decode (?:field|message) \S+ from JSON: /, "");
}

function shown(value: JsonValue): string {
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

function invalid(task: string, why: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `Task "${task}": ${why}.`, {
    reason: "PARAMETERS_INVALID",
    metadata: { task },
  });
}
