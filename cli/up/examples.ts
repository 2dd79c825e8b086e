import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import semver from "semver";
import { z } from "zod";
import type { Mesh } from "../connect.ts";

const root = join(import.meta.dirname, "..", "..");

const packageSchema = z.object({
  name: z.string(),
  version: z.string(),
  rouse: z.object({ service: z.string() }).optional(),
});

interface Example {
  readonly dir: string;
  readonly name: string;
  readonly version: string;
}

/** The service packages of examples/, the lower version of a service first: the last one is released. */
export function findExamples(): Example[] {
  return globSync("examples/*/package.json", { cwd: root })
    .flatMap((file) => {
      const { name, version, rouse } = packageSchema.parse(
        JSON.parse(readFileSync(join(root, file), "utf8")),
      );
      return rouse === undefined ? [] : [{ dir: join(root, file, ".."), name, version }];
    })
    .sort((a, b) => semver.compare(a.version, b.version) || a.dir.localeCompare(b.dir));
}

/**
 * Builds and registers the examples that have changed since this data folder saw them. One that cannot be is told,
 * and the rest goes on.
 */
export async function registerExamples(
  mesh: Mesh,
  say: (line: string) => void,
  stopping: AbortSignal,
): Promise<void> {
  const stamps = join(mesh.data, "examples.json");
  const known = readStamps(stamps);
  const hash = hashSources();
  const changed = findExamples().filter(({ name }) => known[name] !== hash);
  // One example may call another by its generated client.
  for (const { dir } of changed) {
    // What is wrong is told by its registration.
    if (!stopping.aborted) await runVerb(["gen", "--dir", dir], mesh.data, stopping).catch(() => {});
  }
  for (const { dir, name, version } of changed) {
    if (stopping.aborted) return;
    say(`Building and registering the example ${name} ${version} …`);
    try {
      // Later the tag is the user's own.
      const tag = known[name] === undefined ? ["--tag", "release"] : [];
      await runVerb(["register", "--dir", dir, ...tag], mesh.data, stopping);
      known[name] = hash;
    } catch (error) {
      if (stopping.aborted) return;
      say(`The example ${name} is left out: ${(error as Error).message}`);
    }
  }
  writeFileSync(stamps, JSON.stringify(known));
}

/** All that an example is made from, their common packages and the library included. */
function hashSources(): string {
  const patterns = [
    "examples/*/{package.json,{proto,src,data}/**}",
    "{sdk,codegen,proto/rouse}/**",
    "package-lock.json",
  ];
  const hash = createHash("sha256");
  for (const file of globSync(patterns, { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort())
    hash.update(file).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

/** Runs `rouse`; a failure carries the last line that it wrote to stderr. */
function runVerb(args: readonly string[], data: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const rouse = join(root, "cli", "bin", "rouse.mjs");
    const child = spawn(process.execPath, [rouse, ...args, "--data", data], {
      // Whoever this user is as a provider, the examples are the mesh's own.
      env: { ...process.env, ROUSE_KEY: "admin" },
      stdio: ["ignore", "ignore", "pipe"],
      signal,
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(said.trim().split("\n").at(-1) || `rouse ${args[0]} ended with ${code}`));
    });
  });
}

function readStamps(file: string): Record<string, string> {
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return {};
  }
}
