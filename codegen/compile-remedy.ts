import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Problem } from "./problems.ts";

/**
 * Completes what the compiler says where it leaves out which name it means or what to do.
 *
 * @param root folder that the problems' paths are relative to.
 */
export async function addRemedies(problems: readonly Problem[], root: string): Promise<Problem[]> {
  return Promise.all(
    problems.map(async (problem) => ({
      ...problem,
      message: remedied(problem, await sourceFrom(join(root, problem.file), problem)),
    })),
  );
}

function remedied({ message }: Problem, source: string): string {
  if (message.startsWith("imported file does not exist")) {
    const path = /"([^"]*)"/.exec(source)?.[1] ?? "";
    return `There is no file ${JSON.stringify(path)}. Put it into the proto folder; google/api, google/rpc, google/protobuf and rouse/mesh are there without.`;
  }
  const field = /^cannot resolve message field name for `([\w.]+)`/.exec(message);
  if (field !== null) {
    const name = /^[\w.]+/.exec(source)?.[0] ?? "";
    const where =
      field[1]?.startsWith("rouse.mesh.") === true ? "rouse/mesh/v1/options.proto" : "its .proto file";
    return `${field[1]} has no field ${JSON.stringify(name)}. See ${where} for those that it has.`;
  }
  if (/cannot find `rouse\.mesh\.|unknown extension rouse\.mesh\./.test(message))
    return `${message} Add import "rouse/mesh/v1/options.proto";`;
  return message;
}

/** The line of a problem from its column on; empty when there is none. */
async function sourceFrom(path: string, { line, column }: Problem): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => "");
  return (text.split(/\r?\n/)[line - 1] ?? "").slice(column - 1);
}
