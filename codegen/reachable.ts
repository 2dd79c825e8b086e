import { posix } from "node:path";

/** Files by their path, with "/" between folders. */
export type Files = ReadonlyMap<string, string>;

/**
 * Of what ts-proto wrote, the files of the contract and those that they import: it writes one for every .proto that
 * the contract's options need as well, google/protobuf/descriptor.ts with its 8,000 lines among them.
 */
export function reachableFiles(files: Files, roots: readonly string[]): Map<string, string> {
  const kept = new Map<string, string>();
  const open = [...roots];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const code = files.get(path);
    if (code === undefined || kept.has(path)) continue;
    kept.set(path, code);
    for (const [, target = ""] of code.matchAll(/\bfrom "(\.{1,2}\/[^"]+)"/g))
      open.push(posix.join(posix.dirname(path), target));
  }
  return kept;
}
