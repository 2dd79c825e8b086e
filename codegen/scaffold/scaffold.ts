import { mkdir, readdir, readFile, realpath, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { RouseError } from "../../sdk/errors.ts";
import { generate } from "../generate.ts";
import { actorReadme, actorSource, actorTest } from "./actor-sources.ts";
import { type ServiceNames, serviceNames } from "./names.ts";
import { gitignore, packageJson, readme, type ToolVersions, tsconfig } from "./package-files.ts";
import { contract, handlers, handlersTest, main } from "./sources.ts";

/** What to scaffold. */
export interface ScaffoldOptions {
  /** Such as "gene-finder". */
  name: string;
  /** The package's folder. Default: the name. */
  dir?: string;
  /** Who answers for the service. */
  owner: string;
  /** A durable function from which the contract is made, instead of a contract and its handlers. */
  actor?: boolean;
}

/** What was scaffolded. */
export interface Scaffold {
  /** Absolute path. */
  readonly dir: string;
  /** "gene_finder.v1.GeneFinderService". */
  readonly service: string;
  /** What was written by hand's place: paths relative to dir, without the generated ones. */
  readonly files: readonly string[];
}

const rouse = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Writes a service package that generates, compiles, tests and runs as it is, and generates its code.
 *
 * @throws RouseError INVALID_ARGUMENT NAME_INVALID; ALREADY_EXISTS FOLDER_NOT_EMPTY when something is there already.
 */
export async function scaffold(options: ScaffoldOptions): Promise<Scaffold> {
  const names = serviceNames(options.name);
  const dir = resolve(options.dir ?? options.name);
  await refuseOccupied(dir);
  await mkdir(dir, { recursive: true });
  const toRouse = relative(await realpath(dir), await realpath(rouse)) || ".";
  const versions = await toolVersions();
  const actor = options.actor === true ? `src/${names.name}.ts` : undefined;
  const files = new Map([
    ...(actor === undefined ? serviceFiles(names, options.owner) : actorFiles(names, options.owner)),
    ["package.json", packageJson(names, toRouse, versions, actor)],
    ["tsconfig.json", tsconfig(await compilerOptions())],
    [".gitignore", gitignore],
  ]);
  for (const [path, content] of files) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  }
  await generate({ packageDir: dir });
  return { dir, service: names.fullName, files: [...files.keys()] };
}

type Sources = readonly (readonly [string, string])[];

function serviceFiles(names: ServiceNames, owner: string): Sources {
  return [
    [`proto/${names.snake}/v1/${names.snake}.proto`, contract(names, owner)],
    ["src/handlers.ts", handlers(names)],
    ["src/handlers.test.ts", handlersTest(names)],
    ["src/main.ts", main(names)],
    ["README.md", readme(names)],
  ];
}

function actorFiles(names: ServiceNames, owner: string): Sources {
  const { name } = names;
  return [
    [`src/${name}.ts`, actorSource(names, owner)],
    [`src/${name}.test.ts`, actorTest(`${name}.ts`)],
    ["README.md", actorReadme(names)],
  ];
}

async function refuseOccupied(dir: string): Promise<void> {
  const entries = await readdir(dir).catch((error: unknown) => {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") return [];
    if (code !== "ENOTDIR") throw error;
    throw new RouseError("ALREADY_EXISTS", `${dir} is a file. Choose another folder with --dir.`, {
      reason: "FOLDER_NOT_EMPTY",
      cause: error,
    });
  });
  if (entries.length > 0)
    throw new RouseError(
      "ALREADY_EXISTS",
      `${dir} is not empty. Choose another folder with --dir, or empty this one.`,
      { reason: "FOLDER_NOT_EMPTY" },
    );
}

/** The tools that a package needs beside Rouse, in the versions that Rouse itself is tested with. */
async function toolVersions(): Promise<ToolVersions> {
  const record = z.record(z.string(), z.string());
  const schema = z.object({ dependencies: record, devDependencies: record });
  const own = schema.parse(JSON.parse(await readFile(join(rouse, "package.json"), "utf8")));
  const all = { ...own.dependencies, ...own.devDependencies };
  return Object.fromEntries(
    ["@types/node", "node", "typescript", "vitest"].map((tool) => [tool, all[tool] ?? "*"]),
  );
}

async function compilerOptions(): Promise<object> {
  const schema = z.object({ compilerOptions: z.record(z.string(), z.unknown()) });
  return schema.parse(JSON.parse(await readFile(join(rouse, "tsconfig.json"), "utf8"))).compilerOptions;
}
