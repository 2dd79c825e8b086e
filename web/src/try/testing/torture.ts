import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { openWorkspace } from "../../../../codegen/workspace.ts";

const root = join(import.meta.dirname, "..", "..", "..", "..");

/** Descriptor set of the contract that has everything that a contract may have. */
export async function tortureSet(): Promise<Uint8Array> {
  const workspace = await openWorkspace(join(root, "codegen", "testdata", "torture"));
  try {
    const buf = join(root, "node_modules", ".bin", "buf");
    const paths = workspace.files.flatMap((file) => ["--path", `proto/${file}`]);
    const args = ["build", "--as-file-descriptor-set", "-o", "-", ...paths];
    return execFileSync(buf, args, { cwd: workspace.root, maxBuffer: 2 ** 26 });
  } finally {
    await workspace.remove();
  }
}
