import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { installPackages, mayInstallPackages } from "./apt.ts";

const names = ["chromium", "chromium-browser", "google-chrome"];

/** The Chromium that CHROMIUM_BIN names or PATH has; undefined when there is none. */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM_BIN;
  if (named) return named;
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((file) => existsSync(file));
}

/** As {@link findChromium}; in CI, as root on Debian, it is installed. */
export async function chromiumForTests(): Promise<string | undefined> {
  if (findChromium() === undefined && mayInstallPackages()) await installPackages("chromium");
  return findChromium();
}
