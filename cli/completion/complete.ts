import type { Argument, Command, Option } from "commander";
import type { Catalog } from "./catalog.ts";

/** What may stand at the cursor. */
export interface Candidate {
  readonly value: string;
  readonly about: string;
}

/** Verbs that are for programs. */
const HIDDEN = new Set(["__complete"]);

/**
 * What may stand for the last word.
 *
 * @param program With all verbs.
 * @param words After "rouse", the one at the cursor last, be it empty.
 * @param catalog What is registered; asked only where it is needed.
 */
export async function complete(
  program: Command,
  words: readonly string[],
  catalog: Catalog,
): Promise<Candidate[]> {
  const current = words.at(-1) ?? "";
  const line = read(program, words.slice(0, -1));
  if (line.awaits !== undefined) return fitting(await optionValues(line.awaits, line, catalog), current);
  if (current.startsWith("-")) return fitting(flagsOf(line.command), current);
  if (line.command.commands.length > 0) {
    if (line.values.length > 0) return [];
    const verbs = line.command.commands.filter((one) => !HIDDEN.has(one.name()));
    return fitting(
      verbs.map((one) => ({ value: one.name(), about: one.description() })),
      current,
    );
  }
  const position = Math.min(line.values.length, line.command.registeredArguments.length - 1);
  const argument = line.command.registeredArguments[position];
  // The last one may be repeated or not: what is too much is not completed.
  if (argument === undefined || (line.values.length > position && !argument.variadic)) return [];
  return fitting(await argumentValues(argument, line, current, catalog), current);
}

/** The command line up to the cursor. */
interface Line {
  readonly command: Command;
  /** Arguments that are no flags. */
  readonly values: readonly string[];
  /** The flag whose value comes next. */
  readonly awaits: Option | undefined;
  readonly flags: Readonly<Record<string, string>>;
}

function read(program: Command, words: readonly string[]): Line {
  let command = program;
  let awaits: Option | undefined;
  const values: string[] = [];
  const flags: Record<string, string> = {};
  for (const word of words) {
    if (awaits !== undefined) {
      flags[awaits.attributeName()] = word;
      awaits = undefined;
    } else if (word.startsWith("-") && word.length > 1) {
      const [name, value] = word.split("=", 2);
      const option = command.options.find(({ long, short }) => name === long || name === short);
      if (option === undefined) continue;
      if (value !== undefined) flags[option.attributeName()] = value;
      else if (option.required || option.optional) awaits = option;
    } else {
      const verb = values.length === 0 ? command.commands.find((one) => one.name() === word) : undefined;
      if (verb === undefined) values.push(word);
      else command = verb;
    }
  }
  return { command, values, awaits, flags };
}

function flagsOf(command: Command): Candidate[] {
  return command.options
    .filter(({ hidden, long }) => !hidden && long !== undefined && long !== null)
    .map(({ long, description }) => ({ value: String(long), about: description }));
}

async function optionValues(option: Option, line: Line, catalog: Catalog): Promise<readonly Candidate[]> {
  const [first = ""] = line.values;
  const service = first.split("/")[0] ?? "";
  if (option.argChoices !== undefined) return option.argChoices.map((value) => ({ value, about: "" }));
  if (option.attributeName() === "field" && first.includes("/"))
    return catalog.fields(first, line.flags.version ?? "");
  if (option.attributeName() === "version" && service !== "") return catalog.specs(service);
  if (option.attributeName() === "service") return catalog.services();
  return [];
}

async function argumentValues(
  argument: Argument,
  { values }: Line,
  current: string,
  catalog: Catalog,
): Promise<readonly Candidate[]> {
  const [service = ""] = values;
  if (argument.argChoices !== undefined) return argument.argChoices.map((value) => ({ value, about: "" }));
  switch (argument.name()) {
    case "method": {
      if (current.includes("/")) return catalog.methods(current.slice(0, current.indexOf("/")));
      return (await catalog.services()).map(({ value, about }) => ({ value: `${value}/`, about }));
    }
    case "service":
    case "services":
      return catalog.services();
    case "version":
    case "versions":
    case "spec":
    case "from":
    case "to":
      return catalog.versions(service);
    case "tag":
      return catalog.tags(service);
    default:
      return [];
  }
}

function fitting(candidates: readonly Candidate[], current: string): Candidate[] {
  return candidates.filter(({ value }) => value.startsWith(current));
}
