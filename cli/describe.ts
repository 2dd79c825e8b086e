import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { About } from "#proto/rouse/catalog/v1/catalog.ts";
import type { Revision } from "#proto/rouse/registry/v1/registry.ts";
import { ABOUT_FIELDS, EMPTY_ABOUT, mergeAbout } from "../registry/descriptions/about.ts";
import { RouseError } from "../sdk/errors.ts";

const TITLES: Readonly<Record<keyof About, string>> = {
  summary: "",
  description: "What it does",
  purpose: "Why one would use it",
  usage: "How it is used",
  misuse: "How it must not be used",
  parameters: "Parameters",
  metadata: "Metadata of calls",
  workflow: "Workflow",
  links: "Links",
  license: "Licence",
  contact: "Contact",
  keywords: "Keywords",
};

/** A description for the terminal. */
export function aboutLines(
  service: string,
  version: string,
  { revision, by, atMs, about }: Revision,
): string[] {
  const said = about ?? EMPTY_ABOUT;
  const lines = [`${service} ${version} — ${said.summary}`];
  for (const name of ABOUT_FIELDS) {
    if (name === "summary" || said[name].length === 0) continue;
    lines.push("", `${TITLES[name]}:`, ...linesOf(said, name).map((line) => `  ${line}`.trimEnd()));
  }
  lines.push("", `revision ${revision}, by ${by}, ${new Date(atMs).toISOString()}`);
  return lines;
}

function linesOf(about: About, name: keyof About): string[] {
  if (name === "parameters" || name === "metadata") {
    return about[name].map(
      (field) => `${field.name}${field.required ? " (required)" : ""}: ${field.description}`,
    );
  }
  if (name === "links") return about.links.map(({ title, url }) => (title === "" ? url : `${title}: ${url}`));
  if (name === "keywords") return [about.keywords.join(", ")];
  return about[name].split("\n");
}

/** A whole description from a JSON file; what it leaves out is empty. */
export function parseAboutFile(file: string): About {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw invalid(`${file} cannot be read (${(cause as Error).message}).`);
  }
  return parseAbout(text, file);
}

function parseAbout(text: string, where: string): About {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(`${where} is not JSON (${(cause as Error).message}).`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(`${where} is no JSON object. "rouse describe SERVICE --json" prints one to begin with.`);
  for (const [name, said] of Object.entries(value)) checkField(name, said, where);
  return mergeAbout(value as Partial<About>, {});
}

/** The shape; what a field may hold, the registry checks. */
function checkField(name: string, value: unknown, where: string): void {
  const known = EMPTY_ABOUT[name as keyof About];
  if (known === undefined)
    throw invalid(
      `${where}: a description has no field ${JSON.stringify(name)}. It has ${ABOUT_FIELDS.join(", ")}.`,
    );
  const fits = Array.isArray(known)
    ? Array.isArray(value) && fitsList(name, value)
    : typeof value === "string";
  if (!fits) throw invalid(`${where}: ${name} must be ${SHAPES[name] ?? "a text"}.`);
}

const SHAPES: Readonly<Record<string, string>> = {
  keywords: "a list of words",
  links: 'a list of {"title": …, "url": …}',
  parameters: 'a list of {"name": …, "description": …, "required": true or false}',
  metadata: 'a list of {"name": …, "description": …, "required": true or false}',
};

function fitsList(name: string, list: readonly unknown[]): boolean {
  if (name === "keywords") return list.every((word) => typeof word === "string");
  return list.every((item) => {
    if (typeof item !== "object" || item === null) return false;
    const value = item as Record<string, unknown>;
    if (name === "links") return typeof value.url === "string" && typeof value.title === "string";
    return (
      typeof value.name === "string" &&
      typeof value.description === "string" &&
      typeof value.required === "boolean"
    );
  });
}

/** The description with some fields changed by "field=value". */
export function applySettings(about: About, settings: readonly string[]): About {
  const changed: Record<string, unknown> = { ...about };
  for (const setting of settings) {
    const at = setting.indexOf("=");
    if (at < 1) throw invalid(`--set ${setting} is not FIELD=VALUE.`);
    const [name, text] = [setting.slice(0, at), setting.slice(at + 1)];
    const value = settingOf(name, text);
    checkField(name, value, "--set");
    changed[name] = value;
  }
  return changed as unknown as About;
}

function settingOf(name: string, text: string): unknown {
  if (!Array.isArray(EMPTY_ABOUT[name as keyof About])) return text;
  if (text.trim().startsWith("[")) {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw invalid(`--set ${name} is not JSON (${(cause as Error).message}).`);
    }
  }
  return text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** Lets the user change a description in their editor; what cannot be sent stays in a file. */
export async function editAbout(about: About, send: (about: About) => Promise<void>): Promise<void> {
  const editor = process.env.VISUAL || process.env.EDITOR;
  if (!editor) throw invalid("--edit needs an editor: set VISUAL or EDITOR, or use --set or --file.");
  const folder = mkdtempSync(join(tmpdir(), "rouse-describe-"));
  const file = join(folder, "about.json");
  const before = `${JSON.stringify(about, null, 2)}\n`;
  writeFileSync(file, before, { mode: 0o600 });
  try {
    const { status, error } = spawnSync("sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" });
    if (error !== undefined || status !== 0)
      throw invalid(`The editor ${editor} ended with ${error?.message ?? status}.`);
    const after = readFileSync(file, "utf8");
    if (after === before) console.log("nothing was changed");
    else await send(parseAbout(after, file));
  } catch (error) {
    console.error(`your text is kept in ${file}; send it by --file`);
    throw error;
  }
  rmSync(folder, { recursive: true, force: true });
}

function invalid(message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason: "FLAG_INVALID" });
}
