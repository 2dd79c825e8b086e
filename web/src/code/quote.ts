import type { Json } from "../try/json.ts";

/** A text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** JSON as a Python literal. */
export function pythonLiteral(value: Json, indent = ""): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return pythonText(value);
  const next = `${indent}    `;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[\n${value.map((entry) => `${next}${pythonLiteral(entry, next)},\n`).join("")}${indent}]`;
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return "{}";
  const lines = entries.map(([key, entry]) => `${next}${pythonText(key)}: ${pythonLiteral(entry, next)},\n`);
  return `{\n${lines.join("")}${indent}}`;
}

/** JSON's escapes are Python's as well, but for characters above U+FFFF, which need none. */
function pythonText(value: string | number): string {
  return JSON.stringify(value);
}

/** A text as a Go literal. */
export function goText(text: string): string {
  return /[`\r]/.test(text) ? JSON.stringify(text) : `\`${text}\``;
}
