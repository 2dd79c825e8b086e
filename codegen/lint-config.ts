import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { RouseError } from "../sdk/errors.ts";

/**
 * buf's STANDARD rules without those that would have every method wrap its messages, every service end in "Service",
 * and no enum have aliases.
 */
const defaultLint = `lint:
  use: [STANDARD]
  except:
    - RPC_REQUEST_RESPONSE_UNIQUE
    - RPC_REQUEST_STANDARD_NAME
    - RPC_RESPONSE_STANDARD_NAME
    - SERVICE_SUFFIX
    - ENUM_NO_ALLOW_ALIAS
`;

/**
 * The buf.yaml of the temporary workspace: ours, with the lint rules of the user's own buf.yaml if there is one.
 *
 * @throws RouseError INVALID_ARGUMENT when the user's is of an old version.
 */
export async function lintConfig(packageDir: string): Promise<string> {
  const modules = "version: v2\nmodules:\n  - path: proto\n  - path: vendor\n";
  const path = join(packageDir, "buf.yaml");
  const own = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  if (own === undefined) return modules + defaultLint;
  if (!/^version:\s*["']?v2["']?\s*(#.*)?$/m.test(own))
    throw new RouseError(
      "INVALID_ARGUMENT",
      `${path} is not of version v2. Run "buf config migrate" there.`,
      {
        reason: "BUF_CONFIG_VERSION",
      },
    );
  return modules + (lintSection(own) ?? defaultLint);
}

/** The top-level section "lint" of a YAML file, as it is written; undefined: there is none. */
export function lintSection(yaml: string): string | undefined {
  const lines = yaml.split(/\r?\n/);
  const start = lines.findIndex((line) => /^lint:/.test(line));
  if (start < 0) return undefined;
  const length = lines.slice(start + 1).findIndex((line) => /^[^\s#-]/.test(line));
  const end = length < 0 ? lines.length : start + 1 + length;
  return `${lines.slice(start, end).join("\n").trimEnd()}\n`;
}
