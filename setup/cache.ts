import { homedir } from "node:os";
import { join } from "node:path";

/** Rouse's per-user cache: `$XDG_CACHE_HOME/rouse`, by default `~/.cache/rouse`. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "rouse");
}

/** Where one version of a tool is kept. */
export function cachedTool(name: string, version: string): string {
  return join(cacheFolder(), "tools", `${name}-${version}`, name);
}
