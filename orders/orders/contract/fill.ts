import type { JsonValue } from "@bufbuild/protobuf";
import { RouseError } from "../../../sdk/errors.ts";
import { parseReference, type Reference, referenceIn } from "../reference.ts";

/** What other tasks of the order have given. */
export interface Given {
  /** The response message of a task, as JSON; undefined where it has none. */
  result(task: string): JsonValue | undefined;
  /** URI of an output. */
  output(task: string, name: string): string | undefined;
}

/**
 * Puts values where references stand. A field of a result that is not set is left out.
 *
 * @throws RouseError FAILED_PRECONDITION REFERENCE_EMPTY where a list's element or an output is not there.
 */
export function fill(value: JsonValue, given: Given): JsonValue {
  const filled = fillPart(value, given);
  return filled === undefined ? {} : filled;
}

function fillPart(value: JsonValue, given: Given): JsonValue | undefined {
  const from = referenceIn(value);
  if (from !== undefined) return referred(from, given);
  if (Array.isArray(value))
    return value.map((one) => fillPart(one, given)).filter((one) => one !== undefined);
  if (typeof value !== "object" || value === null) return value;
  const parts = Object.entries(value).flatMap(([name, part]) => {
    const filled = fillPart(part, given);
    return filled === undefined ? [] : [[name, filled] as const];
  });
  return Object.fromEntries(parts);
}

/**
 * The URI that an input has: the one that is written, or that of another task's output.
 *
 * @throws RouseError FAILED_PRECONDITION REFERENCE_EMPTY.
 */
export function fillInput(text: string, given: Given): string {
  const reference = parseReference(text);
  return reference?.part === "outputs" ? outputOf(reference, given) : text;
}

function referred(from: string, given: Given): JsonValue | undefined {
  const reference = parseReference(from);
  if (reference === undefined) return undefined;
  if (reference.part === "outputs") return outputOf(reference, given);
  let value = given.result(reference.task);
  for (const name of reference.path) {
    if (Array.isArray(value)) {
      const element: JsonValue | undefined = value[Number(name)];
      if (element === undefined) throw empty(`${from}: the list has ${value.length} elements only`);
      value = element;
    } else if (typeof value === "object" && value !== null) {
      const key = Object.hasOwn(value, name) ? name : camelCase(name);
      value = Object.hasOwn(value, key) ? value[key] : undefined;
    } else return undefined;
  }
  return value;
}

function outputOf({ task, output }: Reference & { part: "outputs" }, given: Given): string {
  const uri = given.output(task, output);
  if (uri === undefined) throw empty(`task "${task}" has put out nothing that is named "${output}"`);
  return uri;
}

/** As protoc makes the JSON name of a field. */
function camelCase(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function empty(why: string): RouseError {
  return new RouseError("FAILED_PRECONDITION", `What the task needs of another one is not there: ${why}.`, {
    reason: "REFERENCE_EMPTY",
  });
}
