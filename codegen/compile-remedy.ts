import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { wantedValue } from "./option-values.ts";
import type { Problem } from "./problems.ts";

/**
 * Completes what the compiler says where it leaves out which name it means or what to do.
 *
 * @param root folder that the problems' paths are relative to.
 */
export async function addRemedies(problems: readonly Problem[], root: string): Promise<Problem[]> {
  const told = await Promise.all(
    problems.map(async (problem) => {
      const [before, source] = await sourceAround(join(root, problem.file), problem);
      return { ...problem, message: remedied(problem, before, source) };
    }),
  );
  return told.filter((problem) => !isEcho(problem, problems));
}

/** A value without its quotes is told of already: `256Mi` is no text, and no number either. */
function isEcho({ message, file, line, column }: Problem, all: readonly Problem[]): boolean {
  const sameLine = all.filter((other) => other.file === file && other.line === line);
  return (
    /^(invalid digit|extra decimal point) in .* literal/.test(message) &&
    sameLine.some((other) => /^mismatched types/.test(other.message) && other.column <= column)
  );
}

/** @param before The line up to the problem. @param source The line from there on. */
function remedied({ message }: Problem, before: string, source: string): string {
  if (message.startsWith("imported file does not exist")) {
    const path = /"([^"]*)"/.exec(source)?.[1] ?? "";
    return `There is no file ${JSON.stringify(path)}. Put it into the proto folder; google/api, google/rpc, google/protobuf and rouse/mesh are there without.`;
  }
  const field = /^cannot resolve message field name for `([\w.]+)`/.exec(message);
  if (field !== null) {
    const name = /^[\w.]+/.exec(source)?.[0] ?? "";
    if (field[1]?.endsWith("Entry") === true)
      return `An entry of a map names its two parts. Write {key: ${JSON.stringify(name)}, value: …}.`;
    const where =
      field[1]?.startsWith("rouse.mesh.") === true ? "rouse/mesh/v1/options.proto" : "its .proto file";
    return `${field[1]} has no field ${JSON.stringify(name)}. See ${where} for those that it has.`;
  }
  if (/cannot find `rouse\.mesh\.|unknown extension rouse\.mesh\./.test(message))
    return `${message} Add import "rouse/mesh/v1/options.proto";`;
  return optionRemedied(message, before, source) ?? message;
}

/** What a value of an option should be, or where a name is to come from. */
function optionRemedied(message: string, before: string, source: string): string | undefined {
  const name = /^cannot find `([^`]+)` in this scope/.exec(message)?.[1];
  const isValue = name !== undefined || /^mismatched types|^literal out of range/.test(message);
  const field = /([a-z]\w*)\s*[:=]\s*\[?\s*$/.exec(before)?.[1];
  if (isValue && field !== undefined) {
    const written = /^"[^"]*"|^[^\s,;}\]]+/.exec(source)?.[0] ?? "";
    const wanted = wantedValue(field, written);
    if (wanted !== undefined) return `${field} cannot be ${written}. Write ${wanted}.`;
  }
  return name === undefined
    ? undefined
    : `${message} Check how it is spelt; what another file declares needs that file's import.`;
}

/** The line of a problem up to its column and from there on; empty when there is none. */
async function sourceAround(path: string, { line, column }: Problem): Promise<[string, string]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const found = text.split(/\r?\n/)[line - 1] ?? "";
  return [found.slice(0, column - 1), found.slice(column - 1)];
}
