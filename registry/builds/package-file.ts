import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { buildFailed } from "./failure.ts";

const versions = z.record(z.string(), z.string()).default({});
const schema = z.looseObject({
  rouse: z.looseObject({ service: z.string().optional() }).optional(),
  scripts: versions,
  dependencies: versions,
  devDependencies: versions,
  optionalDependencies: versions,
});

/** What a build reads of a package.json. */
export interface PackageFile {
  /** All of it, to be written again. */
  readonly content: Readonly<Record<string, unknown>>;
  /** Version ranges of all that it needs to run, to be generated and to be tested, by name. */
  readonly dependencies: Readonly<Record<string, string>>;
  readonly hasTests: boolean;
}

/** What "npm init" writes. */
const NO_TEST = /no test specified/;

/**
 * Reads the package.json of the folder that is built.
 *
 * @param name of the folder in the repository, for people.
 * @throws RouseError BUILD_FAILED.
 */
export async function readPackageFile(folder: string, name: string): Promise<PackageFile> {
  const where = name === "" ? "The root of the repository" : `The folder ${name}`;
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() !== true)
    throw buildFailed(`The repository has no folder ${name} at this commit.`);
  const text = await readFile(join(folder, "package.json"), "utf8").catch(() => undefined);
  if (text === undefined)
    throw buildFailed(
      `${where} is no service package: it has no package.json. Name the package's folder by --folder.`,
    );
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw buildFailed(`${where} has a package.json that is not JSON: ${(error as Error).message}.`, error);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw buildFailed(`${where} has a faulty package.json: ${issue?.path.join(".")}: ${issue?.message}.`);
  }
  const { rouse, scripts, dependencies, devDependencies, optionalDependencies } = parsed.data;
  if (rouse === undefined)
    throw buildFailed(
      `${where} is no service package: its package.json has no field "rouse" such as {"service": "genome.v1.GenomeService"}.`,
    );
  return {
    content: parsed.data,
    dependencies: { ...devDependencies, ...optionalDependencies, ...dependencies },
    hasTests: scripts.test !== undefined && !NO_TEST.test(scripts.test),
  };
}
