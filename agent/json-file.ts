import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { z } from "zod";

/** Writes a file so that a crash leaves the old content or the new one, never half of it. */
export function writeJson(file: string, value: unknown): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(value));
  renameSync(temporary, file);
}

/** Reads a file of {@link writeJson}; undefined when there is none or its content breaks the schema. */
export function readJson<T>(file: string, schema: z.ZodType<T>): T | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(file, "utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
