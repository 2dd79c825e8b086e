import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";

/** "rouse/server" and its like are those of the rouse that bundles. */
export function ownModules(): Record<string, string> {
  const own = resolve(import.meta.dirname, "../..");
  const { exports } = z
    .object({ exports: z.record(z.string(), z.string()) })
    .parse(JSON.parse(readFileSync(join(own, "package.json"), "utf8")));
  const entries = Object.entries(exports).map(([name, file]) => [`rouse/${name.slice(2)}`, join(own, file)]);
  return Object.fromEntries(entries);
}
