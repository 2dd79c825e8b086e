import { existsSync, globSync, readFileSync, statSync, utimesSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { z } from "zod";
import {
  type RegisterVersionRequest,
  type RegisterVersionResponse,
  RegistryClient,
} from "#proto/rouse/registry/v1/registry.ts";
import { bundle } from "../agent/build/bundle.ts";
import { generate } from "../codegen/generate.ts";
import { type Manifest, parseManifest } from "../registry/manifest.ts";
import { publishVersion } from "../registry/publish.ts";
import { RouseError } from "../sdk/errors.ts";
import { withClient } from "./connect.ts";
import { gitSource } from "./git-source.ts";

export interface RegisterPackageOptions {
  /** "host:port". */
  readonly registry: string;
  /** Folder of package.json and proto/. */
  readonly dir: string;
  /** Runs this image instead of a bundle of the package. */
  readonly image?: { readonly name: string; readonly port: number; readonly command: readonly string[] };
  readonly tags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly mounts?: readonly { readonly source: string; readonly target: string }[];
  /** Told each step in a few words. */
  readonly say?: (line: string) => void;
}

export interface RegisteredPackage extends RegisterVersionResponse {
  readonly manifest: Manifest;
}

/**
 * Registers a service package: generates its code and manifest anew if the contract is newer, bundles it (always: that takes a fraction
 * of a second, and the same content makes the same bundle), and uploads what the registry lacks.
 *
 * @throws RouseError of code generation, of the build, of the registry; NOT_FOUND MANIFEST_MISSING.
 */
export async function registerPackage(options: RegisterPackageOptions): Promise<RegisteredPackage> {
  const dir = resolve(options.dir);
  const say = options.say ?? (() => undefined);
  if (packageOf(dir)?.actor !== undefined) {
    // Its contract is made of code, which may come from anywhere.
    const { changed, removed } = await generate({ packageDir: dir });
    if (changed.length + removed.length > 0) say(`generated ${relative(".", join(dir, "gen"))} of its actor`);
  } else if (isStale(dir)) {
    await generate({ packageDir: dir });
    const now = new Date();
    for (const manifest of manifestsOf(dir)) utimesSync(manifest, now, now);
    say(`generated ${relative(".", join(dir, "gen"))}, for the contract is newer`);
  }
  const file = findManifest(dir);
  const text = readFileSync(file, "utf8");
  const manifest = parseManifest(text);
  const built = options.image === undefined ? await bundle(dir) : undefined;
  if (built !== undefined) {
    say(`bundled ${relative(".", built.file)} (${size(built.size)}, sha256 ${built.digest.slice(0, 12)})`);
  }
  const request: RegisterVersionRequest = {
    manifest: Buffer.from(text),
    artifact: artifactOf(options, built?.digest),
    tags: [...(options.tags ?? [])],
    env: { ...options.env },
    mounts: [...(options.mounts ?? [])],
    source: await gitSource(dir),
    about: undefined,
  };
  const registered = await withClient(RegistryClient, options.registry, (client) =>
    publishVersion(client, request, built?.file, () => say("uploads the bundle")),
  );
  return { ...registered, manifest };
}

/** As make does it: the contract has a file that is newer than the manifest. "rouse gen --check" compares the content. */
function isStale(dir: string): boolean {
  const sources = globSync("{buf.yaml,proto/**/*.proto}", { cwd: dir }).map((file) => join(dir, file));
  if (sources.length === 0) return false;
  const manifests = manifestsOf(dir);
  const oldest = Math.min(...manifests.map((file) => statSync(file).mtimeMs));
  return manifests.length === 0 || sources.some((file) => statSync(file).mtimeMs > oldest);
}

function manifestsOf(dir: string): string[] {
  return globSync("gen/*.manifest.json", { cwd: dir }).map((file) => join(dir, file));
}

function artifactOf(
  { image }: RegisterPackageOptions,
  digest: string | undefined,
): NonNullable<RegisterVersionRequest["artifact"]> {
  if (image !== undefined)
    return { kind: { $case: "image", value: { ...image, command: [...image.command] } } };
  return { kind: { $case: "bundle", value: digest ?? "" } };
}

const packageSchema = z.looseObject({
  rouse: z.looseObject({ service: z.string(), actor: z.string().optional() }),
});

/** gen/<service>.manifest.json of the service that package.json names, or the only one there is. */
function findManifest(dir: string): string {
  const gen = join(dir, "gen");
  const there = manifestsOf(dir).map((file) => basename(file));
  const service = packageOf(dir)?.service;
  const wanted = service === undefined ? undefined : `${service}.manifest.json`;
  const [only] = there.length === 1 ? there : [];
  const name = wanted === undefined ? only : there.find((other) => other === wanted);
  if (name !== undefined) return join(gen, name);
  const what =
    wanted !== undefined
      ? `${join(gen, wanted)} is missing`
      : there.length === 0
        ? `${gen} holds no manifest`
        : `${gen} holds several manifests (${there.join(", ")})`;
  const remedy =
    there.length === 0
      ? 'Run "rouse gen" in the folder of the package, or name that folder by --dir.'
      : `Name the service in ${join(dir, "package.json")}: "rouse": {"service": "${there[0]?.replace(/\.manifest\.json$/, "")}"}.`;
  throw new RouseError("NOT_FOUND", `${what}. ${remedy}`, { reason: "MANIFEST_MISSING" });
}

/** What package.json says under "rouse". */
function packageOf(dir: string): z.infer<typeof packageSchema>["rouse"] | undefined {
  const file = join(dir, "package.json");
  if (!existsSync(file)) return undefined;
  try {
    return packageSchema.safeParse(JSON.parse(readFileSync(file, "utf8"))).data?.rouse;
  } catch (cause) {
    throw new RouseError("INVALID_ARGUMENT", `${file} is not JSON (${(cause as Error).message}).`, {
      reason: "PACKAGE_INVALID",
      cause,
    });
  }
}

function size(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
