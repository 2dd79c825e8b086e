import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { RouseError } from "../../sdk/errors.ts";
import type { TarEntry } from "../build/tar.ts";

/**
 * A program with the shared libraries that it is linked to, as files of a root file system: the program in /bin, each
 * library where the loader looks for it.
 *
 * @param program absolute path.
 * @throws RouseError FAILED_PRECONDITION IMAGE_NEEDS_LINUX.
 */
export function programFiles(program: string, name: string): TarEntry[] {
  if (process.platform !== "linux")
    throw new RouseError(
      "FAILED_PRECONDITION",
      `Images are made of this machine's own Node, which runs on ${process.platform} and not on Linux. Use --runtime process, or register an image.`,
      { reason: "IMAGE_NEEDS_LINUX" },
    );
  const libraries = linkedLibraries(program);
  const files = [...libraries, ...nameServiceLibraries(libraries)];
  return [
    { name: `bin/${name}`, content: { file: realpathSync(program) }, mode: 0o755 },
    ...[...new Set(files)].map((path) => ({
      name: path.slice(1),
      content: { file: realpathSync(path) },
      mode: 0o755,
    })),
  ];
}

/** The first file of that name on PATH. */
export function findProgram(name: string): string | undefined {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** Paths of ld.so's list: "libm.so.6 => /lib/…/libm.so.6 (0x…)" and "/lib64/ld-linux-x86-64.so.2 (0x…)". */
function linkedLibraries(program: string): string[] {
  let listing: string;
  try {
    listing = execFileSync("ldd", [program], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    // A static program has none.
    return [];
  }
  return [...listing.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].flatMap(([, path]) => path ?? []);
}

/** What libc opens only when a name is looked up; since glibc 2.34 it is part of libc. */
function nameServiceLibraries(libraries: readonly string[]): string[] {
  const libc = libraries.find((path) => /\/libc\.so\.6$/.test(path));
  if (libc === undefined) return [];
  const folder = dirname(libc);
  return readdirSync(folder)
    .filter((name) => /^lib(nss_(dns|files)|resolv)\.so\.2$/.test(name))
    .map((name) => join(folder, name));
}
