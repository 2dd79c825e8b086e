import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join, posix, relative, sep } from "node:path";
import { RouseError } from "../sdk/errors.ts";
import type { Files } from "./reachable.ts";

/** Names what we wrote, so that the next run removes what is no longer generated, and nothing else. */
const listName = ".rouse-generated";

/** How the output differs from what would be generated; paths relative to the output folder. */
export interface Difference {
  /** Not there. */
  readonly missing: readonly string[];
  /** There with other content. */
  readonly stale: readonly string[];
  /** Written once, no longer generated. */
  readonly leftover: readonly string[];
  /** There with other content, and not written by us. */
  readonly foreign: readonly string[];
}

/** Compares the output folder with what would be generated. */
export async function compareOutput(out: string, files: Files): Promise<Difference> {
  const listed = new Set(await readList(out));
  const missing: string[] = [];
  const stale: string[] = [];
  const foreign: string[] = [];
  for (const [path, content] of files) {
    const there = await readOrUndefined(join(out, path));
    if (there === undefined) missing.push(path);
    else if (there !== content) (listed.has(path) ? stale : foreign).push(path);
  }
  const leftover: string[] = [];
  for (const path of listed)
    if (!files.has(path) && (await readOrUndefined(join(out, path))) !== undefined) leftover.push(path);
  return { missing: missing.sort(), stale: stale.sort(), leftover: leftover.sort(), foreign: foreign.sort() };
}

/**
 * Brings the output folder in step: writes what changed, each file whole or not at all, and removes what is no
 * longer generated.
 *
 * @throws RouseError ALREADY_EXISTS OUTPUT_FOREIGN when a file that we did not write is in the way; FAILED_PRECONDITION
 * OUTPUT_UNWRITABLE when the system refuses. Nothing is touched then.
 */
export async function writeOutput(out: string, files: Files): Promise<Difference> {
  try {
    return await replaceFiles(out, files);
  } catch (cause) {
    if (!(cause instanceof Error && "syscall" in cause)) throw cause;
    throw new RouseError(
      "FAILED_PRECONDITION",
      `${out} cannot be written: ${cause.message}. Clear the way, or choose another folder with --out.`,
      { reason: "OUTPUT_UNWRITABLE", cause },
    );
  }
}

async function replaceFiles(out: string, files: Files): Promise<Difference> {
  const difference = await compareOutput(out, files);
  if (difference.foreign.length > 0)
    throw new RouseError(
      "ALREADY_EXISTS",
      `${out} has files that "rouse gen" did not write, and would overwrite: ${difference.foreign.join(", ")}. Move them, or choose another folder with --out.`,
      { reason: "OUTPUT_FOREIGN" },
    );
  const changed = [...difference.missing, ...difference.stale];
  const mark = randomUUID().slice(0, 8);
  const staged = changed.map((path) => ({
    path: join(out, path),
    temporary: join(out, `${path}.${mark}.tmp`),
    content: files.get(path) ?? "",
  }));
  try {
    for (const { temporary, content } of staged) {
      await mkdir(dirname(temporary), { recursive: true });
      await writeFile(temporary, content);
    }
  } catch (error) {
    for (const { temporary } of staged) await rm(temporary, { force: true });
    throw error;
  }
  for (const { path, temporary } of staged) await rename(temporary, path);
  for (const path of difference.leftover) await removeFile(out, path);
  await mkdir(out, { recursive: true });
  await writeFile(join(out, listName), `${[...files.keys()].sort().join("\n")}\n`);
  return difference;
}

/** All files below a folder with their text. */
export async function readFolder(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = new Map<string, string>();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(relative(folder, path).split(sep).join("/"), await readFile(path, "utf8"));
  }
  return files;
}

/** Removes a file and the folders that it leaves empty. */
async function removeFile(out: string, path: string): Promise<void> {
  await rm(join(out, path), { force: true });
  for (let folder = posix.dirname(path); folder !== "."; folder = posix.dirname(folder)) {
    const removed = await rmdir(join(out, folder)).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}

async function readList(out: string): Promise<string[]> {
  const text = (await readOrUndefined(join(out, listName))) ?? "";
  // A path that leads out of the folder was never ours.
  return text
    .split("\n")
    .filter((path) => path !== "" && !posix.normalize(path).startsWith("..") && !path.startsWith("/"));
}

async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return undefined;
    throw error;
  }
}
