import { createHash } from "node:crypto";
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { generate } from "../codegen/generate.ts";
import { mustRun } from "./command.ts";
import { withLock } from "./lock.mjs";
import { step } from "./progress.ts";

const root = join(import.meta.dirname, "..");

/** The packages of the mesh's own contracts that the site calls. */
const contracts = ["registry", "catalog", "usage", "orders"];

/**
 * Generates the site's gRPC-web clients (web/gen) and builds it (web/dist), unless both are up to date. One process
 * at a time does it.
 *
 * @throws RouseError SETUP_FAILED with the last words of the build.
 */
export async function prepareSite(): Promise<void> {
  const wait = (owner: number) => console.error(`Process ${owner} builds the site already; waiting …`);
  await withLock(join(root, "node_modules", ".rouse-site.lock"), generateAndBuild, wait);
}

async function generateAndBuild(): Promise<void> {
  const genStamp = join(root, "web", "gen", ".inputs");
  const generated = hash(["proto/rouse/**/*.proto", "codegen/**/*.ts", "setup/site.ts", "package-lock.json"]);
  if (readIfThere(genStamp) !== generated) {
    await step("Generating the site's clients", generateClients);
    writeFileSync(genStamp, generated);
  }
  const distStamp = join(root, "web", "dist", ".inputs");
  const built = hash(["web/*", "web/{src,public}/**", "sdk/**/*.ts", "package-lock.json"]) + generated;
  if (readIfThere(distStamp) === built) return;
  const output = await step("Building the site", () =>
    mustRun(
      process.execPath,
      [join(root, "node_modules", "vite", "bin", "vite.js"), "build", "--logLevel", "warn"],
      "put the site's sources right (web/)",
      { cwd: join(root, "web") },
    ),
  );
  compress();
  console.error(output.split("\n").find((line) => line.startsWith("Initial JavaScript")) ?? "");
  writeFileSync(distStamp, built);
}

/** Writes each text of the site in brotli and gzip beside it, once for all requests. */
function compress(): void {
  const folder = join(root, "web", "dist");
  for (const name of globSync("**/*.{html,js,css,svg}", { cwd: folder })) {
    const body = readFileSync(join(folder, name));
    writeFileSync(join(folder, `${name}.br`), brotliCompressSync(body));
    writeFileSync(join(folder, `${name}.gz`), gzipSync(body, { level: 9 }));
  }
}

async function generateClients(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "rouse-site-"));
  try {
    for (const name of contracts)
      cpSync(join(root, "proto", "rouse", name), join(folder, "proto", "rouse", name), { recursive: true });
    await generate({ packageDir: folder, out: join(root, "web", "gen") });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** SHA-256 over the names and contents of files. */
function hash(patterns: readonly string[]): string {
  const out = createHash("sha256");
  const files = globSync([...patterns], { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".test.ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => existsSync(file));
  for (const file of files.sort())
    out.update(file.slice(root.length)).update("\0").update(readFileSync(file));
  return out.digest("hex");
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
