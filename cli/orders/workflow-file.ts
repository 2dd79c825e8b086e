import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import type { TaskSpec } from "#proto/rouse/orders/v1/orders.ts";
import { RouseError } from "../../sdk/errors.ts";

const texts = z.record(z.string(), z.string());
const reference = z.strictObject({ from: z.string() });

const taskSchema = z.strictObject({
  service: z.string(),
  version: z.string().default(""),
  method: z.string(),
  parameters: z.record(z.string(), z.unknown()).default({}),
  inputs: z.record(z.string(), z.union([z.string(), reference])).default({}),
  metadata: texts.default({}),
  retries: z.number().int().min(0).optional(),
  after: z.array(z.string()).default([]),
});

const fileSchema = z.strictObject({
  name: z.string().default(""),
  priority: z.number().int().min(0).optional(),
  metadata: texts.default({}),
  tasks: z.record(z.string(), taskSchema),
});

/** What a workflow's file says. */
export interface WorkflowFile {
  readonly name: string;
  readonly priority: number | undefined;
  readonly metadata: Record<string, string>;
  readonly tasks: readonly TaskSpec[];
  /** Its folder: paths of input files are taken from there. */
  readonly folder: string;
}

/**
 * Reads the file of `rouse order --workflow`.
 *
 * @throws RouseError INVALID_ARGUMENT WORKFLOW_FILE_INVALID naming what is wrong in it, and where.
 */
export function readWorkflowFile(path: string): WorkflowFile {
  const invalid = (why: string, cause?: unknown) =>
    new RouseError("INVALID_ARGUMENT", `${path} is no workflow: ${why}.`, {
      reason: "WORKFLOW_FILE_INVALID",
      cause,
    });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw invalid((cause as Error).message, cause);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(`it is not JSON (${(cause as Error).message})`, cause);
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(
      ({ path: at, message }) => `${at.join(".") || "the file"}: ${message}`,
    );
    throw invalid(issues.slice(0, 5).join("; "), parsed.error);
  }
  const { name, priority, metadata, tasks } = parsed.data;
  return {
    name,
    priority,
    metadata,
    folder: dirname(path),
    tasks: Object.entries(tasks).map(([taskName, task]) => ({
      ...task,
      name: taskName,
      parameters: JSON.stringify(task.parameters),
      inputs: Object.fromEntries(
        Object.entries(task.inputs).map(([input, from]) => [
          input,
          typeof from === "string" ? from : from.from,
        ]),
      ),
    })),
  };
}
