import { execFile } from "node:child_process";
import type { Source } from "#proto/rouse/catalog/v1/catalog.ts";

const TIMEOUT_MS = 5_000;

/**
 * Where the code of a folder comes from: its git checkout's remote, branch and commit; undefined when it is none, or git is not
 * there. Changes that are not committed are told in the ref: "main (changed)".
 */
export async function gitSource(dir: string): Promise<Source | undefined> {
  const [commit, branch, remote, changes] = await Promise.all([
    git(dir, "rev-parse", "--verify", "HEAD"),
    git(dir, "symbolic-ref", "--quiet", "--short", "HEAD"),
    git(dir, "config", "--get", "remote.origin.url"),
    git(dir, "status", "--porcelain", "--", "."),
  ]);
  if (commit === undefined || !/^[0-9a-f]{40}$/.test(commit)) return undefined;
  const tag =
    branch === undefined ? await git(dir, "describe", "--tags", "--exact-match", "HEAD") : undefined;
  const ref = branch ?? tag ?? "";
  const changed = changes === undefined || changes !== "";
  return {
    repository: withoutPassword(remote ?? ""),
    ref: changed ? `${ref} (changed)`.trim() : ref,
    commit,
    build: "",
  };
}

/** A URL without user and password; everything else as it is ("git@host:path" names no secret). */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, "$1");
}

function git(dir: string, ...args: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(
      "git",
      ["-C", dir, ...args],
      { timeout: TIMEOUT_MS, env: { ...process.env, GIT_OPTIONAL_LOCKS: "0", GIT_TERMINAL_PROMPT: "0" } },
      (error, stdout) => resolve(error === null ? stdout.trim() : undefined),
    );
  });
}
