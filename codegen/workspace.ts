import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { RouseError } from "../sdk/errors.ts";
import { lintConfig } from "./lint-config.ts";

/** A folder for buf: the user's contract in proto/, what it may import in vendor/. */
export interface Workspace {
  readonly root: string;
  /** Paths of the user's .proto files, relative to the contract's folder, with "/" between folders. */
  readonly files: readonly string[];
  remove(): Promise<void>;
}

const optionsProto = fileURLToPath(new URL("../proto/rouse/mesh/v1/options.proto", import.meta.url));
const googleapis = join(
  dirname(createRequire(import.meta.url).resolve("@grpc/grpc-js-xds/package.json")),
  "deps",
  "googleapis",
);

/** What a contract may import without having it; a copy in the user's proto folder is not theirs to generate. */
const imported = /^(google\/(api|rpc|longrunning|type|protobuf)|rouse\/mesh)\//;

/**
 * Puts a contract and what it may import into a temporary buf workspace.
 *
 * @param made contracts that were made, beside those in proto/.
 * @throws RouseError NOT_FOUND when the package has no contract.
 */
export async function openWorkspace(
  packageDir: string,
  made: ReadonlyMap<string, string> = new Map(),
): Promise<Workspace> {
  const contract = join(packageDir, "proto");
  const all = await protoFiles(contract);
  const own = all.filter((file) => !imported.test(file) && !made.has(file));
  if (own.length + made.size === 0)
    throw new RouseError(
      "NOT_FOUND",
      `There is no .proto file in ${contract}. Put the contract there, such as proto/genome/v1/genome.proto, or run "rouse new NAME".`,
      { reason: "CONTRACT_MISSING" },
    );
  const root = await mkdtemp(join(tmpdir(), "rouse-gen-"));
  const remove = () => rm(root, { recursive: true, force: true });
  try {
    const vendor = join(root, "vendor");
    for (const part of ["api", "rpc"])
      await cp(join(googleapis, "google", part), join(vendor, "google", part), { recursive: true });
    for (const file of all.filter((file) => imported.test(file)))
      await copy(join(contract, file), join(vendor, file));
    await copy(optionsProto, join(vendor, "rouse", "mesh", "v1", "options.proto"));
    for (const file of own) await copy(join(contract, file), join(root, "proto", file));
    for (const [file, text] of made) {
      await mkdir(dirname(join(root, "proto", file)), { recursive: true });
      await writeFile(join(root, "proto", file), text);
    }
    await writeFile(join(root, "buf.yaml"), await lintConfig(packageDir));
    return { root, files: [...own, ...made.keys()].sort(), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function copy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await writeFile(to, await readFile(from));
}

async function protoFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.name.endsWith(".proto") && !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort();
}
