import type { TaskSpec } from "#proto/rouse/orders/v1/orders.ts";
import { RouseError } from "../../../sdk/errors.ts";
import { findCycle } from "../graph.ts";
import { looksLikeReference, parseReference, type Reference, referencesIn } from "../reference.ts";
import { MOST_TASKS, orderInvalid, TASK_NAME } from "./limits.ts";

/** A task by name, with what it takes from others. */
export interface NamedTask {
  readonly spec: TaskSpec;
  readonly name: string;
  /** Names of the tasks that must have succeeded before, each once. */
  readonly needs: readonly string[];
}

/**
 * Reads the graph of an order.
 *
 * @throws RouseError INVALID_ARGUMENT ORDER_INVALID, REFERENCE_INVALID naming task and reference, WORKFLOW_CYCLIC naming the cycle.
 */
export function readWorkflow(specs: readonly TaskSpec[]): NamedTask[] {
  if (specs.length === 0) throw orderInvalid("it has no task");
  if (specs.length > MOST_TASKS)
    throw orderInvalid(`it has ${specs.length} tasks, and may have ${MOST_TASKS}. Split it`);
  const named = specs.map((spec) => ({ spec, name: nameOf(spec, specs.length === 1) }));
  const names = new Set<string>();
  for (const { name } of named) {
    if (names.has(name)) throw orderInvalid(`two tasks are named "${name}"`);
    names.add(name);
  }
  const tasks = named.map(({ spec, name }) => ({ spec, name, needs: needsOf(spec, name, names) }));
  const cycle = findCycle(tasks);
  if (cycle !== undefined) {
    const path = cycle.map((name) => `"${name}"`).join(" needs ");
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The workflow goes in a circle: ${path}. None of them could ever begin; take one of these needs away.`,
      { reason: "WORKFLOW_CYCLIC", metadata: { cycle: cycle.join(" ") } },
    );
  }
  return tasks;
}

function nameOf({ name }: TaskSpec, only: boolean): string {
  if (name === "" && only) return "main";
  if (TASK_NAME.test(name)) return name;
  throw orderInvalid(
    `${JSON.stringify(name.slice(0, 80))} is no name of a task: a letter, then up to 59 letters, digits, "_" and "-"`,
  );
}

function needsOf(spec: TaskSpec, name: string, names: ReadonlySet<string>): string[] {
  const there = (other: string, what: string) => {
    if (names.has(other)) return other;
    throw referenceInvalid(
      name,
      `${what} names task "${other}", which the workflow does not have. It has ${listed(names)}`,
    );
  };
  const needs = spec.after.map((other) => there(other, "after"));
  for (const text of parameterReferences(spec))
    needs.push(there(readReference(name, text).task, `"${text}"`));
  for (const [input, text] of Object.entries(spec.inputs)) {
    if (!looksLikeReference(text)) continue;
    const reference = readReference(name, text);
    if (reference.part !== "outputs")
      throw referenceInvalid(
        name,
        `input "${input}" is "${text}". An input is an artifact: write tasks.NAME.outputs.OUTPUT; what is in a result goes into parameters`,
      );
    needs.push(there(reference.task, `input "${input}"`));
  }
  return [...new Set(needs)];
}

/** Of parameters that are not JSON none: that is told when they are checked against the contract. */
function parameterReferences({ parameters }: TaskSpec): string[] {
  try {
    return parameters === "" ? [] : referencesIn(JSON.parse(parameters));
  } catch {
    return [];
  }
}

/** @throws RouseError INVALID_ARGUMENT REFERENCE_INVALID. */
export function readReference(task: string, text: string): Reference {
  const reference = parseReference(text);
  if (reference !== undefined) return reference;
  throw referenceInvalid(
    task,
    `"${text.slice(0, 80)}" is no reference. Write tasks.NAME.result.FIELD or tasks.NAME.outputs.OUTPUT`,
  );
}

export function referenceInvalid(task: string, why: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `Task "${task}": ${why}.`, {
    reason: "REFERENCE_INVALID",
    metadata: { task },
  });
}

const SHOWN = 12;

function listed(names: ReadonlySet<string>): string {
  const shown = [...names].slice(0, SHOWN).join(", ");
  return names.size > SHOWN ? `${shown}, and ${names.size - SHOWN} more` : shown;
}
