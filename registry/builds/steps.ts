import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { buildEnvironment, gitEnvironment, networkEnvironment, type Scratch } from "./environment.ts";
import { buildFailed } from "./failure.ts";
import { giveTo, linkOutOf } from "./folder-walk.ts";
import { clone, type Git } from "./git.ts";
import { install } from "./install.ts";
import type { BuildLimits } from "./limits.ts";
import { type PackageFile, readPackageFile } from "./package-file.ts";
import type { ProgramEnd } from "./program.ts";
import type { Runner } from "./runner.ts";
import { programPath } from "./sandbox.ts";
import { BUILD_STEPS, type BuildStep } from "./step-names.ts";
import type { BuildRecord } from "./store.ts";

/** What came of a build, ready to be registered. */
export interface Made {
  /** JSON, UTF-8. */
  readonly manifest: Buffer;
  readonly bundleFile: string;
  /** SHA-256, hex. */
  readonly digest: string;
}

export interface StepsOptions {
  readonly build: BuildRecord;
  readonly scratch: Scratch;
  readonly runner: Runner;
  readonly limits: BuildLimits;
  readonly signal: AbortSignal;
  /** Begins a step: what is said from then on is its. */
  readonly begin: (step: BuildStep) => void;
  readonly say: (lines: readonly string[]) => void;
  /** Told the commit when it is known. */
  readonly cloned: (commit: string) => void;
}

const rouse = join(import.meta.dirname, "..", "..", "cli", "bin", "rouse.mjs");

/**
 * From a repository to a manifest and a bundle that has passed its tests. Code of the repository is run by the last step, and
 * what was made is out of its reach by then; and by `rouse gen` where it declares an actor, confined alike.
 *
 * @throws RouseError BUILD_FAILED with one sentence; the signal's reason.
 */
export async function runSteps(options: StepsOptions): Promise<Made> {
  const { build, scratch, runner, begin, cloned } = options;
  const say = (line: string) => options.say([line]);
  begin(BUILD_STEPS.clone);
  cloned(await cloneStep(options, say));
  const folder = join(scratch.checkout, build.folder);
  const file = await readPackageFile(folder, build.folder);
  begin(BUILD_STEPS.install);
  if (runner.sandbox.uid !== undefined) await giveTo(runner.sandbox.uid, scratch.checkout);
  await installStep(options, folder, file);
  begin(BUILD_STEPS.generate);
  await verb(options, folder, ["gen"]);
  begin(BUILD_STEPS.build);
  const built = await verb(options, folder, ["build", "--no-image", "--json"]);
  const made = await takeOut(options, folder, serviceOf(built.stdout));
  begin(BUILD_STEPS.test);
  if (file.hasTests) await testStep(options, folder);
  else say('package.json has no script "test"');
  return made;
}

async function cloneStep(options: StepsOptions, say: (line: string) => void): Promise<string> {
  const { build, scratch } = options;
  const env = {
    ...buildEnvironment(build.id, scratch),
    ...networkEnvironment(),
    ...gitEnvironment(),
  };
  const safe = ["core.hooksPath=/dev/null", "credential.helper=", "protocol.ext.allow=never", "gc.auto=0"];
  const git: Git = (args, quiet = false) =>
    options.runner.run(build.id, ["git", ...safe.flatMap((one) => ["-c", one]), ...args], {
      ...common(options),
      env,
      cwd: scratch.checkout,
      quiet,
      confine: false,
    });
  const commit = await clone(git, build, say);
  say(`checked out commit ${commit}`);
  const link = await linkOutOf(scratch.checkout);
  if (link !== undefined)
    throw buildFailed(`${link} is a link that leads out of the repository. Replace it by what it leads to.`);
  const submodules = await readFile(join(scratch.checkout, ".gitmodules")).catch(() => undefined);
  if (submodules !== undefined) say("the repository has submodules, which are not fetched");
  return commit;
}

async function installStep(options: StepsOptions, folder: string, file: PackageFile): Promise<void> {
  const { build, scratch, runner } = options;
  const npm = (args: readonly string[]) => {
    if (programPath("npm") === undefined)
      throw buildFailed(
        "The registry's host has no npm, and the package has dependencies. Install npm there.",
      );
    const cache = join(scratch.home, "npm");
    return runner.run(build.id, ["npm", ...args, "--cache", cache], {
      ...common(options),
      env: { ...buildEnvironment(build.id, scratch), ...networkEnvironment() },
      cwd: folder,
      confine: { network: true, scratch: scratch.root },
    });
  };
  await install({ folder, file, say: (line) => options.say([line]), npm });
  if (runner.sandbox.uid !== undefined) await giveTo(runner.sandbox.uid, join(folder, "node_modules"));
}

/** Runs a verb of `rouse`, whose last words are the reason when it fails. */
async function verb(options: StepsOptions, folder: string, args: readonly string[]): Promise<ProgramEnd> {
  const quiet = args.includes("--json");
  const end = await confined(options, folder, [process.execPath, rouse, ...args], quiet);
  if (end.code === 0) return end;
  // One problem a line; what follows the first is in the log.
  const words = end.lastWords.join("\n").replace(/ \([A-Z_, ]+\)$/, "");
  const lines = words.split("\n").filter((line) => line !== "Nothing was written.");
  const [first = `"rouse ${args[0]}" ended with ${ended(end)}.`, second, ...more] = lines;
  const rest = more.length > 0 ? ` (and ${more.length} more lines in the log)` : "";
  throw buildFailed(second === undefined ? first : `${first} ${second}${rest}`);
}

async function testStep(options: StepsOptions, folder: string): Promise<void> {
  if (programPath("npm") === undefined)
    throw buildFailed("The registry's host has no npm, which runs the package's tests. Install npm there.");
  const end = await confined(options, folder, ["npm", "run", "test", "--no-update-notifier", "--silent"]);
  if (end.code !== 0) throw buildFailed(`The package's tests failed: "npm test" ended with ${ended(end)}.`);
}

function confined(options: StepsOptions, cwd: string, command: readonly string[], quiet = false) {
  const { build, scratch, runner } = options;
  const env = buildEnvironment(build.id, scratch);
  const confine = { network: false, scratch: scratch.root };
  return runner.run(build.id, command, { ...common(options), env, cwd, quiet, confine });
}

function common({ say, scratch, signal, limits }: StepsOptions) {
  // Where the scratch folder is, is nobody's business.
  const short = (line: string) =>
    line
      .replaceAll(`${scratch.checkout}/`, "")
      .replaceAll(scratch.checkout, ".")
      .replaceAll(scratch.root, "…");
  return {
    signal,
    outputBytes: limits.outputBytes,
    say: (lines: readonly string[]) => say(lines.map(short)),
  };
}

function ended({ code }: ProgramEnd): string {
  if (code === 137) return "SIGKILL, which the system sends when memory runs out";
  return code > 128 ? `signal ${code - 128}` : `exit code ${code}`;
}

/** Copies manifest and bundle to where the tests cannot change them. */
async function takeOut(options: StepsOptions, folder: string, service: string): Promise<Made> {
  const { checkout, made } = options.scratch;
  const top = await realpath(checkout);
  const plain = async (name: string) => {
    const path = await realpath(join(folder, name)).catch(() => undefined);
    if (path?.startsWith(`${top}/`) === true) return path;
    throw buildFailed(`${name} was not made, or is a link that leads out of the repository.`);
  };
  const manifest = await readFile(await plain(`gen/${service}.manifest.json`));
  const bundleFile = join(made, "bundle.tar");
  await copyFile(await plain("dist/bundle.tar"), bundleFile);
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(bundleFile)) hash.update(chunk as Buffer);
  const digest = hash.digest("hex");
  options.say([`made ${service}, bundle sha256 ${digest}`]);
  return { manifest, bundleFile, digest };
}

/** From what "rouse build --json" printed. */
function serviceOf(stdout: string): string {
  const { service } = JSON.parse(stdout) as { service?: unknown };
  if (typeof service === "string" && /^[\w.]+$/.test(service)) return service;
  throw buildFailed(
    'package.json names no service: its field "rouse" needs one such as {"service": "genome.v1.GenomeService"}.',
  );
}
