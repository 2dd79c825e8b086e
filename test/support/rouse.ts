import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the `rouse` command as a user would, and gives its exit code and output. */
export function rouse(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [`${root}/cli/bin/rouse.mjs`, ...args],
      { env: { ...process.env, ...env }, maxBuffer: 64 * 2 ** 20 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

/** As {@link rouse}, and fails the test with the command's output when it does. */
export async function rouseOk(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, stdout, stderr } = await rouse(args, env);
  if (code !== 0) throw new Error(`rouse ${args.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}
