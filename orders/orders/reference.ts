/** What a task takes from another one. */
export type Reference =
  | {
      readonly task: string;
      readonly part: "result";
      /** Names of fields, keys of maps, places in lists; empty: the whole message. */
      readonly path: readonly string[];
    }
  | { readonly task: string; readonly part: "outputs"; readonly output: string };

/** "tasks.NAME.result.FIELD…" or "tasks.NAME.outputs.OUTPUT"; undefined for any other text. */
export function parseReference(text: string): Reference | undefined {
  const [head, task, part, ...path] = text.split(".");
  if (head !== "tasks" || task === undefined || task === "" || path.includes("")) return undefined;
  if (part === "result") return { task, part, path };
  // Names of outputs may have dots, such as "reads.bam".
  return part === "outputs" && path.length > 0 ? { task, part, output: path.join(".") } : undefined;
}

/** As it is written. */
export function referenceText(reference: Reference): string {
  const rest = reference.part === "result" ? ["result", ...reference.path] : ["outputs", reference.output];
  return ["tasks", reference.task, ...rest].join(".");
}

/** Whether the text was meant as a reference, be it a good one or not. */
export function looksLikeReference(text: string): boolean {
  return text.startsWith("tasks.");
}

/** The text of {"from": "tasks.…"}; undefined for any other value. */
export function referenceIn(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  const [[key, from] = []] = entries;
  if (entries.length !== 1 || key !== "from" || typeof from !== "string") return undefined;
  return looksLikeReference(from) ? from : undefined;
}

/** Every {"from": …} within a JSON value, in the order in which they stand. */
export function referencesIn(value: unknown): string[] {
  const text = referenceIn(value);
  if (text !== undefined) return [text];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(referencesIn);
}
