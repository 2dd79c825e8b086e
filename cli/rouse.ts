import { readdirSync, readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { RouseError } from "../sdk/errors.ts";
import { explain } from "./explain.ts";

const folder = new URL("commands/", import.meta.url);

/**
 * Runs one command line and sets the exit code: 0, or 1 after one sentence on stderr.
 *
 * @param args the arguments after the program's name.
 */
export async function main(args: readonly string[]): Promise<void> {
  if (process.env.ROUSE_SUPERVISED === "1") endWithSupervisor();
  try {
    const program = await buildProgram(args[0]);
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 1;
      return;
    }
    console.error(explain(error));
    process.exitCode = 1;
  }
}

/**
 * The program with the verbs of `cli/commands`: only the given one when there is such a file, so that it starts
 * quickly, else all of them.
 */
export async function buildProgram(verb: string | undefined): Promise<Command> {
  const program = new Command("rouse")
    .description("A gRPC service mesh with code generation, for services that are used now and then.")
    .version(version(), "-V, --version", "print the version")
    .showSuggestionAfterError()
    // Verbs have a --version of their own: the version of a service.
    .enablePositionalOptions()
    .exitOverride();
  const files = verbFiles();
  const only = files.filter((name) => name === `${verb}.ts`);
  for (const file of only.length > 0 ? only : files.sort()) {
    const module = (await import(new URL(file, folder).href)) as Record<string, unknown>;
    for (const [name, add] of Object.entries(module)) {
      if (/^add[A-Z]/.test(name) && typeof add === "function") add(program);
    }
  }
  for (const command of program.commands) completeCommand(command);
  return program;
}

/** Names of all verbs but those for programs, without loading one. */
export function verbs(): string[] {
  return verbFiles()
    .map((file) => file.slice(0, -".ts".length))
    .filter((verb) => !verb.startsWith("__"))
    .sort();
}

function verbFiles(): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
}

/** Who started this process ends: it ends too, even when that was killed. */
function endWithSupervisor(): void {
  // Its own children are not supervised so.
  delete process.env.ROUSE_SUPERVISED;
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  process.channel?.unref();
}

/** Every verb knows --data; readMesh and the servers find it in ROUSE_DATA. */
function completeCommand(command: Command): void {
  command.exitOverride();
  if (!command.options.some((option) => option.long === "--data"))
    command.option("--data <folder>", "the mesh's data folder (also ROUSE_DATA)");
  command.hook("preAction", (_, action) => {
    const data: unknown = action.opts().data;
    if (typeof data === "string") process.env.ROUSE_DATA = data;
  });
  for (const child of command.commands) completeCommand(child);
}

function version(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const parsed = JSON.parse(text) as { version?: unknown };
  if (typeof parsed.version === "string") return parsed.version;
  throw new RouseError("INTERNAL", "package.json has no version.");
}
