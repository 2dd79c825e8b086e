import { writeFile } from "node:fs/promises";
import { z } from "zod";
import { manifestSchema } from "../registry/manifest.ts";

/** Where the schema is published, from this file. */
export const publishedSchema = new URL("../registry/manifest.schema.json", import.meta.url);

/**
 * The JSON schema (draft 2020-12) of a service manifest, as text. Run this file, then
 * `npm run format`, to publish it.
 */
export function manifestJsonSchema(): string {
  const schema = {
    title: "Manifest of a Rouse service",
    description:
      'What the code generator says of one service version, written by "rouse gen" as <service>.manifest.json. Lengths of time are in ms, memory in bytes.',
    ...z.toJSONSchema(manifestSchema),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

if (import.meta.main) await writeFile(publishedSchema, manifestJsonSchema());
