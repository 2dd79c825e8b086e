import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { RouseError } from "../sdk/errors.ts";
import { type ActorPackage, actorMain, readActor } from "./actors/actor-package.ts";
import { bufProblems, runBuf } from "./buf.ts";
import { addRemedies } from "./compile-remedy.ts";
import { compareOutput, type Difference, readFolder, writeOutput } from "./output.ts";
import { checkPackageService } from "./package-service.ts";
import { type Services, servicesFile, servicesSchema } from "./plugin/services-file.ts";
import { formatProblem, type Problem, parseProblems, sortProblems } from "./problems.ts";
import { type Files, reachableFiles } from "./reachable.ts";
import { openWorkspace, type Workspace } from "./workspace.ts";

/** What to generate from, and where to. */
export interface GenerateOptions {
  /** Folder with `proto/`, and maybe a buf.yaml with lint rules. Default: the working folder. */
  packageDir?: string;
  /** Where the code goes, from packageDir. Default "gen". */
  out?: string;
  /** Write nothing; fail when the output is not what would be generated. */
  check?: boolean;
}

/** What was generated; paths relative to the output folder, in order. */
export interface Generated {
  /** All files of the output, changed or not. */
  readonly written: string[];
  /** Those that are new or have other content now. */
  readonly changed: string[];
  /** Those that were removed because they are no longer generated. */
  readonly removed: string[];
  /** Full names of the contract's services, with and without the mesh's option. */
  readonly services: Services;
}

/**
 * Lints a contract and generates messages, definitions, servers, clients, docs and manifests from it; the contract of an
 * actor is generated itself. When it fails, the old output stays as it is.
 *
 * @throws RouseError INVALID_ARGUMENT CONTRACT_INVALID with every problem, one per line as "file:line:column: message";
 * as readActor; NOT_FOUND CONTRACT_MISSING when there is no contract; with `check` FAILED_PRECONDITION GENERATED_STALE.
 */
export async function generate(options: GenerateOptions = {}): Promise<Generated> {
  const packageDir = resolve(options.packageDir ?? ".");
  const out = resolve(packageDir, options.out ?? "gen");
  const actor = await readActor(packageDir, out);
  const workspace = await openWorkspace(packageDir, actor && new Map([[actor.path, actor.contract]]));
  const { files: generated, services } = await inWorkspace(workspace, packageDir);
  const files = actor === undefined ? generated : withActor(generated, actor);
  await checkPackageService(packageDir, services);
  const written = [...files.keys()].sort();
  if (options.check === true) {
    failWhenStale(out, await compareOutput(out, files));
    return { written, changed: [], removed: [], services };
  }
  const { missing, stale, leftover } = await writeOutput(out, files);
  return { written, changed: [...missing, ...stale].sort(), removed: [...leftover], services };
}

/** The contract that was made, for others to read, and the program. */
function withActor(files: Files, { path, contract, main }: ActorPackage): Files {
  return new Map([...files, [path, contract], [actorMain, main]]);
}

interface Output {
  readonly files: Files;
  readonly services: Services;
}

async function inWorkspace(workspace: Workspace, packageDir: string): Promise<Output> {
  try {
    await lint(workspace, packageDir);
    return await runPlugins(workspace, packageDir);
  } finally {
    await workspace.remove();
  }
}

async function lint(workspace: Workspace, packageDir: string): Promise<void> {
  const result = await runBuf(["lint", "proto", "--error-format", "json"], workspace.root);
  if (result.code === 0) return;
  const problems = bufProblems(`${result.stdout}\n${result.stderr}`);
  if (problems.length > 0) throw contractInvalid(await addRemedies(problems, workspace.root), packageDir);
  // What is left is the configuration: its lint rules are all that is the user's in it.
  const what = lastWords(result.stderr).replace(/^Failure: (decode buf\.yaml: )?(yaml: line \d+: )?/, "");
  throw new RouseError(
    "INVALID_ARGUMENT",
    `buf does not take the lint rules of ${join(shownPath(packageDir), "buf.yaml")}: ${what}. Correct them as on https://buf.build/docs/lint/rules.`,
    { reason: "BUF_CONFIG_INVALID" },
  );
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** How ts-proto writes messages: exact 64-bit integers, unions for oneofs, nanoseconds in timestamps. */
const messageOptions = [
  "annotateFilesWithVersion=false",
  "enumsAsLiterals=true",
  "esModuleInterop=true",
  "exportCommonSymbols=false",
  "forceLong=bigint",
  "importSuffix=.ts",
  "oneof=unions-value",
  "outputJsonMethods=false",
  "outputServices=none",
  "unrecognizedEnum=false",
  "useDate=timestamp",
  "useExactTypes=false",
];

async function runPlugins(workspace: Workspace, packageDir: string): Promise<Output> {
  const node = [process.execPath, "--disable-warning=ExperimentalWarning"];
  const template = {
    version: "v2",
    plugins: [
      {
        local: [...node, here("messages/protoc-gen-messages.ts")],
        out: "out/messages",
        strategy: "all",
        opt: messageOptions,
      },
      {
        local: [...node, here("plugin/protoc-gen-rouse.ts")],
        out: "out/rouse",
        strategy: "all",
        opt: ["target=ts", "import_extension=ts"],
      },
    ],
  };
  const result = await runBuf(["generate", "proto", "--template", JSON.stringify(template)], workspace.root);
  if (result.code !== 0) {
    const problems = parseProblems(result.stderr).map((problem) => ({
      ...problem,
      file: `proto/${problem.file}`,
    }));
    if (problems.length > 0) throw contractInvalid(problems, packageDir);
    throw new RouseError("INTERNAL", `The code generator failed: ${lastWords(result.stderr)}`, {
      reason: "GENERATOR_FAILED",
    });
  }
  const messages = await readFolder(join(workspace.root, "out", "messages"));
  const roots = workspace.files.map((file) => file.replace(/\.proto$/, ".ts"));
  const rouse = await readFolder(join(workspace.root, "out", "rouse"));
  const services = servicesSchema.parse(JSON.parse(rouse.get(servicesFile) ?? "null"));
  rouse.delete(servicesFile);
  return { files: merge(reachableFiles(messages, roots), rouse), services };
}

/** @throws RouseError when a contract "x.server.proto" beside "x.proto" would be written over the latter's server. */
function merge(messages: Files, rouse: Files): Map<string, string> {
  const twice = [...rouse.keys()].filter((path) => messages.has(path));
  if (twice.length > 0)
    throw new RouseError(
      "INVALID_ARGUMENT",
      `Two files of the contract would both be written to ${twice.join(", ")}. Rename the .proto file of that name.`,
      { reason: "CONTRACT_INVALID" },
    );
  return new Map([...messages, ...rouse]);
}

/** @param problems with paths relative to the package. */
function contractInvalid(problems: readonly Problem[], packageDir: string): RouseError {
  const folder = shownPath(packageDir);
  const lines = sortProblems(problems).map((problem) =>
    formatProblem({ ...problem, file: join(folder, problem.file) }),
  );
  const count = lines.length === 1 ? "a problem" : `${lines.length} problems`;
  return new RouseError(
    "INVALID_ARGUMENT",
    `The contract has ${count}:\n${lines.join("\n")}\nNothing was written.`,
    {
      reason: "CONTRACT_INVALID",
    },
  );
}

function failWhenStale(out: string, difference: Difference): void {
  const { missing, stale, leftover, foreign } = difference;
  const lines = [
    ...[...stale, ...foreign].map((path) => `stale: ${path}`),
    ...missing.map((path) => `missing: ${path}`),
    ...leftover.map((path) => `left over: ${path}`),
  ];
  if (lines.length === 0) return;
  throw new RouseError(
    "FAILED_PRECONDITION",
    `${shownPath(out)} is not what the contract says:\n${lines.join("\n")}\nRun "rouse gen".`,
    { reason: "GENERATED_STALE" },
  );
}

/** A path as the user would write it: from the working folder when it's below that. */
function shownPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short || ".";
}

function lastWords(stderr: string): string {
  return stderr.trim().split("\n").slice(-5).join(" ") || "it gave no reason.";
}
