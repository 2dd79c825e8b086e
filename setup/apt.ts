import { existsSync } from "node:fs";
import { mustRun } from "./command.ts";
import { step } from "./progress.ts";

/** True where the set-up may install Debian packages by itself: as root, on Debian, in a CI run. */
export function mayInstallPackages(): boolean {
  return process.getuid?.() === 0 && process.env.CI === "true" && existsSync("/usr/bin/apt-get");
}

let updated = false;

/** Installs Debian packages. @throws RouseError FAILED_PRECONDITION SETUP_FAILED. */
export async function installPackages(...packages: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const remedy = `install ${packages.join(", ")} by hand`;
  await step(`Installing ${packages.join(", ")} with apt`, async () => {
    if (!updated) await mustRun("apt-get", ["update", "-q"], remedy, { env });
    updated = true;
    await mustRun("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], remedy, {
      env,
    });
  });
}
