import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join, normalize, resolve } from "node:path";
import { RouseError } from "../errors.ts";

/**
 * The absolute path of a file or folder that belongs to the service's package, such as `asset("data/x.fa")`: in the
 * source tree as well as in a bundle, where the agent names the folder (ROUSE_APP). Bundles hold what package.json
 * lists under "rouse": {"assets": […]}.
 *
 * @throws RouseError ASSET_PATH_INVALID (INVALID_ARGUMENT) for a path that leaves the package, ASSET_NOT_FOUND
 *   (NOT_FOUND) when the file is not there.
 */
export function asset(path: string): string {
  if (isAbsolute(path) || normalize(path).startsWith("..")) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The asset path "${path}" leaves the package. Give a path relative to package.json, such as "data/genes.gff3".`,
      { reason: "ASSET_PATH_INVALID", metadata: { path } },
    );
  }
  const root = process.env.ROUSE_APP || packageRoot();
  const file = join(root, path);
  if (existsSync(file)) return file;
  throw new RouseError(
    "NOT_FOUND",
    `The asset "${path}" is not in ${root}. Put it there, and list it in package.json under "rouse": {"assets": […]}.`,
    { reason: "ASSET_NOT_FOUND", metadata: { path, root } },
  );
}

/** The nearest folder above the program, then above the working directory, whose package.json has a "rouse" field. */
function packageRoot(): string {
  const starts = process.argv[1] ? [dirname(resolve(process.argv[1])), process.cwd()] : [process.cwd()];
  for (const start of starts) {
    for (let folder = start; ; folder = dirname(folder)) {
      if (isService(join(folder, "package.json"))) return folder;
      if (folder === dirname(folder)) break;
    }
  }
  return process.cwd();
}

function isService(file: string): boolean {
  if (!existsSync(file)) return false;
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
    return typeof parsed === "object" && parsed !== null && "rouse" in parsed;
  } catch {
    // Not JSON: somebody else's file, not the one looked for.
    return false;
  }
}
