import { RouseError } from "../sdk/errors.ts";
import { installPackages, mayInstallPackages } from "./apt.ts";
import { runCommand } from "./command.ts";
import type { Tool } from "./tools.ts";

/** From this release on, Go fetches the newer toolchain that a module asks for. */
const leastMinor = 21;

/**
 * The environment for a Go build of ours: any Go since 1.21 will do, whatever flags the user has set.
 *
 * @throws RouseError FAILED_PRECONDITION SETUP_FAILED when there is no such Go.
 */
export async function goEnvironment(tool: Tool): Promise<NodeJS.ProcessEnv> {
  const minor = async () =>
    Number(
      /go1\.(\d+)/.exec(
        (await runCommand("go", ["version"], { env: { ...process.env, GOTOOLCHAIN: "local" } })).output,
      )?.[1] ?? 0,
    );
  if ((await minor()) < leastMinor && mayInstallPackages()) await installPackages("golang-go");
  if ((await minor()) < leastMinor)
    throw new RouseError(
      "FAILED_PRECONDITION",
      `${tool.title} is built with Go, and there is no Go 1.${leastMinor} or newer: install one (https://go.dev/doc/install), or set ${tool.variable} to ${tool.title} ${tool.version}.`,
      { reason: "SETUP_FAILED" },
    );
  return {
    ...process.env,
    GOTOOLCHAIN: "auto",
    GOFLAGS: "",
    GOWORK: "off",
    CGO_ENABLED: "0",
    GOOS: "",
    GOARCH: "",
  };
}
