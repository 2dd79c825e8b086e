import { existsSync, readFileSync } from "node:fs";
import { lstat, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import semver from "semver";
import { z } from "zod";
import { buildFailed } from "./failure.ts";
import type { PackageFile } from "./package-file.ts";
import type { ProgramEnd } from "./program.ts";

const root = join(import.meta.dirname, "..", "..");

/** These are always this installation's own: a package names the one by a path, and npm gets the other by a script. */
const OWN = ["rouse", "node"];

/** Sections of package.json that npm installs. */
const SECTIONS = ["dependencies", "devDependencies", "optionalDependencies"] as const;

export interface InstallOptions {
  /** Of package.json. */
  readonly folder: string;
  readonly file: PackageFile;
  readonly say: (line: string) => void;
  /** Runs npm in the folder. */
  readonly npm: (args: readonly string[]) => Promise<ProgramEnd>;
}

/**
 * Gives a package its dependencies. When this installation of Rouse has all of them in fitting versions, as for a package of
 * "rouse new", they are linked and nothing is downloaded; else npm installs them, without running their scripts. `rouse` itself is
 * always this installation.
 *
 * @throws RouseError BUILD_FAILED.
 */
export async function install(options: InstallOptions): Promise<void> {
  const { folder, file, say } = options;
  const wanted = Object.entries(file.dependencies).filter(([name]) => !OWN.includes(name));
  const missing = wanted.filter(([name, range]) => !isHere(name, range));
  if (missing.length > 0) {
    say(`npm installs the dependencies, for ${missing[0]?.join("@")} is no part of Rouse`);
    await npmInstall(options);
  } else if (wanted.length > 0) {
    say(`links ${wanted.map(([name]) => name).join(", ")}: Rouse has them in fitting versions`);
  }
  const linked = [...OWN, ...(missing.length > 0 ? [] : wanted.map(([name]) => name))];
  for (const name of linked) await linkPackage(folder, name);
}

/** Runs npm on a package.json that lacks what is ours, and puts the true one back. */
async function npmInstall({ folder, file, npm }: InstallOptions): Promise<void> {
  const own = (name: string) => OWN.includes(name);
  const paths = { file: join(folder, "package.json"), lock: join(folder, "package-lock.json") };
  const before = await readFile(paths.file, "utf8");
  const lock = existsSync(paths.lock) ? await readFile(paths.lock, "utf8") : undefined;
  await replace(paths.file, JSON.stringify(withoutOwn(file.content, own)));
  if (lock !== undefined) await replace(paths.lock, JSON.stringify(lockWithoutOwn(lock, own)));
  const verb = lock === undefined ? ["install", "--no-package-lock"] : ["ci"];
  // The repository's .npmrc cannot say otherwise: what it sets there, npm would run.
  const safe = ["--ignore-scripts", "--git=git", "--no-audit", "--no-fund", "--no-update-notifier"];
  const { code, lastWords } = await npm([...verb, ...safe, "--workspaces=false", "--loglevel=error"]);
  await replace(paths.file, before);
  if (lock !== undefined) await replace(paths.lock, lock);
  if (code === 0) return;
  const line =
    lastWords.find((word) => /^npm (error|ERR!) (?!code|A complete log)/.test(word)) ?? lastWords[0];
  const words = (line ?? `it ended with ${code}`).replace(/^npm (error|ERR!) /, "");
  throw buildFailed(`npm could not install the dependencies: ${words.replace(/\.?$/, ".")}`);
}

/** Never through a link. */
async function replace(file: string, text: string): Promise<void> {
  await rm(file, { force: true });
  await writeFile(file, text, { flag: "wx" });
}

type Json = Readonly<Record<string, unknown>>;

function withoutOwn(content: Json, own: (name: string) => boolean): Json {
  const cut = SECTIONS.flatMap((section) => {
    const entries = content[section];
    if (typeof entries !== "object" || entries === null) return [];
    return [[section, Object.fromEntries(Object.entries(entries).filter(([name]) => !own(name)))] as const];
  });
  return { ...content, ...Object.fromEntries(cut) };
}

const lockSchema = z.looseObject({
  packages: z.record(
    z.string(),
    z.looseObject({ resolved: z.string().optional(), link: z.boolean().optional() }),
  ),
});

/** Also without what the link to Rouse leads to, and all below it. */
function lockWithoutOwn(text: string, own: (name: string) => boolean): Json {
  let lock: z.infer<typeof lockSchema>;
  try {
    lock = lockSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw buildFailed(
      'The package-lock.json cannot be read, or is older than npm 7. Write it anew by "npm install".',
      cause,
    );
  }
  const entries = Object.entries(lock.packages);
  const gone = entries.flatMap(([path, { link, resolved }]) => {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1];
    if (name === undefined || !own(name)) return [];
    return [path, ...(link === true && resolved !== undefined ? [resolved] : [])];
  });
  const kept = entries
    .filter(([path]) => !gone.some((one) => path === one || path.startsWith(`${one}/`)))
    .map(([path, entry]) => [path, path === "" ? withoutOwn(entry, own) : entry] as const);
  return { ...lock, packages: Object.fromEntries(kept) };
}

const installedSchema = z.looseObject({
  version: z.string().optional(),
  bin: z.union([z.string(), z.record(z.string(), z.string())]).optional(),
});

function installed(name: string): z.infer<typeof installedSchema> | undefined {
  try {
    const file = join(root, "node_modules", name, "package.json");
    return installedSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}

function isHere(name: string, range: string): boolean {
  const wellNamed = /^(@[\w.-]+\/)?[\w-][\w.-]*$/.test(name);
  const version = wellNamed ? installed(name)?.version : undefined;
  return version !== undefined && semver.satisfies(version, range);
}

/** Links a package of this installation, and its programs. */
async function linkPackage(folder: string, name: string): Promise<void> {
  const modules = join(folder, "node_modules");
  const link = join(modules, name);
  await rm(link, { recursive: true, force: true });
  await mkdir(dirname(link), { recursive: true });
  await symlink(name === "rouse" ? root : join(root, "node_modules", name), link);
  const { bin = {} } = name === "rouse" ? { bin: { rouse: "cli/bin/rouse.mjs" } } : (installed(name) ?? {});
  const programs = typeof bin === "string" ? { [name.replace(/^.*\//, "")]: bin } : bin;
  await mkdir(join(modules, ".bin"), { recursive: true });
  for (const [program, file] of Object.entries(programs)) {
    const path = join(modules, ".bin", program);
    if ((await lstat(path).catch(() => undefined)) !== undefined) await rm(path);
    await symlink(join("..", name, file), path);
  }
}
