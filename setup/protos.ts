import { createHash } from "node:crypto";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mustRun } from "./command.ts";
import { step } from "./progress.ts";

const root = join(import.meta.dirname, "..");

/** Generates proto/gen from proto/ unless it is up to date. */
export async function generateProtos(): Promise<void> {
  const stamp = join(root, "proto", "gen", ".inputs");
  const inputs = inputHash();
  if (readIfThere(stamp) === inputs) return;
  await step("Generating code from proto/", () =>
    mustRun(join(root, "node_modules", ".bin", "buf"), ["generate"], "put the contracts right", {
      cwd: root,
    }),
  );
  writeFileSync(stamp, inputs);
}

function inputHash(): string {
  const files = globSync("proto/**/*.proto", { cwd: root }).filter((file) => !file.startsWith("proto/gen/"));
  const hash = createHash("sha256");
  for (const file of [...files.sort(), "buf.gen.yaml", "buf.yaml", "package-lock.json"]) {
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)))
      .update("\0");
  }
  return hash.digest("hex");
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
