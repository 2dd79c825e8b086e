import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type BuildFailure, build } from "esbuild";
import { z } from "zod";
import { ownModules } from "../../agent/build/own-modules.ts";
import { RouseError } from "../../sdk/errors.ts";
import { methodName } from "../names.ts";
import { actorContract } from "./contract.ts";
import { type ActorDescription, descriptionsSchema } from "./description.ts";

/** The program of an actor's package, from the output folder. */
export const actorMain = "actor.main.ts";
/** Longest time in which the file may say what it declares, ms. */
const LIMIT_MS = 60_000;

const packageSchema = z.object({
  version: z.string().optional(),
  author: z.union([z.string(), z.object({ name: z.string() }).transform(({ name }) => name)]).optional(),
  rouse: z.object({ actor: z.string().optional() }).optional(),
});
const saidSchema = z.union([
  z.object({ actors: descriptionsSchema }),
  z.object({ fault: z.string(), ours: z.boolean() }),
]);

/** What an actor's declaration gives beside what its contract gives. */
export interface ActorPackage {
  /** The contract, from the contract's folder. */
  readonly path: string;
  readonly contract: string;
  /** The program, from the output folder. */
  readonly main: string;
}

/**
 * Runs the file that package.json names as `rouse.actor` and makes a contract and a program of what it declares. Undefined: the
 * package has its contract in proto/.
 *
 * @param out where generated code goes.
 * @throws RouseError INVALID_ARGUMENT ACTOR_INVALID, ACTOR_FAILED.
 */
export async function readActor(packageDir: string, out: string): Promise<ActorPackage | undefined> {
  const text = await readFile(join(packageDir, "package.json"), "utf8").catch(() => "{}");
  const parsed = packageSchema.safeParse(json(text));
  const file = parsed.data?.rouse?.actor;
  // What is wrong with package.json is told where all of it is checked.
  if (parsed.data === undefined || file === undefined) return undefined;
  const { version = "0.1.0", author } = parsed.data;
  const actor = await declared(packageDir, file);
  const { path, text: contract } = actorContract(actor, { version, owner: author ?? userInfo().username });
  return { path, contract, main: program(actor, path, relative(out, resolve(packageDir, file))) };
}

async function declared(packageDir: string, file: string): Promise<ActorDescription> {
  if (!existsSync(resolve(packageDir, file)))
    throw new RouseError(
      "INVALID_ARGUMENT",
      `${join(packageDir, file)} does not exist, and package.json says that it declares an actor. Write it, or correct "actor" in its field "rouse".`,
      { reason: "ACTOR_FAILED" },
    );
  const said = await run(packageDir, file);
  if ("fault" in said)
    throw said.ours
      ? new RouseError("INVALID_ARGUMENT", said.fault, { reason: "ACTOR_INVALID" })
      : failed(file, said.fault);
  const [actor, another] = said.actors;
  if (actor === undefined || another !== undefined)
    throw new RouseError(
      "INVALID_ARGUMENT",
      `${file} declares ${said.actors.length} actors${another === undefined ? "" : ` (${said.actors.map(({ name }) => name).join(", ")})`}, and a package runs one. Declare it by actor("name", async (input, run) => …) of rouse/actor, and others in packages of their own.`,
      { reason: "ACTOR_INVALID" },
    );
  return actor;
}

async function run(packageDir: string, file: string): Promise<z.infer<typeof saidSchema>> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-actor-"));
  const answer = join(folder, "said.json");
  const describe = fileURLToPath(new URL("describe.ts", import.meta.url));
  const source = [
    `import { describe } from ${JSON.stringify(describe)};`,
    `await describe(() => import(${JSON.stringify(resolve(packageDir, file))}), ${JSON.stringify(answer)});`,
  ].join("\n");
  try {
    // As the service's own bundle is made: decorators and all that Node cannot run by itself.
    const program = join(folder, "main.mjs");
    await build({
      stdin: { contents: source, resolveDir: packageDir, loader: "ts" },
      absWorkingDir: packageDir,
      outfile: program,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node24",
      banner: {
        js: 'import { createRequire as __rouseRequire } from "node:module"; const require = __rouseRequire(import.meta.url);',
      },
      alias: ownModules(),
      logLevel: "silent",
    });
    await promisify(execFile)(process.execPath, [program], { cwd: packageDir, timeout: LIMIT_MS });
    return saidSchema.parse(JSON.parse(await readFile(answer, "utf8")));
  } catch (cause) {
    if (cause instanceof z.ZodError)
      throw failed(file, `it says what nobody understands: ${cause.message}`, cause);
    throw failed(file, wordsOf(cause), cause);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function wordsOf(cause: unknown): string {
  const { errors, stderr, message } = cause as Partial<BuildFailure> & { stderr?: string; message: string };
  const [first] = errors ?? [];
  if (first !== undefined) {
    const { location, text } = first;
    return location === null ? text : `${location.file}:${location.line}:${location.column}: ${text}`;
  }
  return stderr?.trim().split("\n").slice(-5).join("\n") || message;
}

function failed(file: string, words: string, cause?: unknown): RouseError {
  return new RouseError(
    "INVALID_ARGUMENT",
    `${file} cannot be run to learn of its actor: ${words.split("\n").slice(0, 5).join("\n")}\nIt is run by "rouse gen" just to see what it declares: what it connects to or reads belongs into its functions.`,
    { reason: "ACTOR_FAILED", cause },
  );
}

/** What serves the actor. */
function program({ name, methods }: ActorDescription, contract: string, file: string): string {
  const from = (path: string) => JSON.stringify(path.startsWith(".") ? path : `./${path}`);
  const shapes = methods.map(({ name: method, input, output }) => ({
    handler: methodName(method),
    method,
    input,
    output,
  }));
  return [
    "// @generated by rouse gen: the program of an actor.",
    "/* eslint-disable */",
    "",
    'import { serveActor } from "rouse/actor";',
    `import ${from(file.split(sep).join("/"))};`,
    `import { serve } from ${from(contract.replace(/\.proto$/, ".server.ts"))};`,
    "",
    `await serveActor(${JSON.stringify(name)}, serve, ${JSON.stringify(shapes, null, 2)});`,
    "",
  ].join("\n");
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
