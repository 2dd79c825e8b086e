import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { manifestJsonSchema, publishedSchema } from "./manifest-schema.ts";

test('the published schema is in step; else run "node codegen/manifest-schema.ts && npm run format"', async () => {
  const published: unknown = JSON.parse(await readFile(publishedSchema, "utf8"));
  expect(published).toEqual(JSON.parse(manifestJsonSchema()));
});
