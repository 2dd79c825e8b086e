import { readMesh } from "../connect.ts";
import { buildProgram, verbs } from "../rouse.ts";
import { meshCatalog } from "./catalog.ts";
import { complete } from "./complete.ts";

const LONGEST_ABOUT = 80;

/**
 * Prints the candidates for the word at the cursor, one in a line, with what it is after a tab.
 *
 * @param index Of the word at the cursor.
 * @param words The command line, the program first.
 */
export async function printCandidates(shell: string, index: number, words: readonly string[]): Promise<void> {
  const before = words.slice(1, index + 1);
  while (before.length < index) before.push("");
  // bash takes words apart at "=".
  const line = shell === "bash" ? joined(before) : before;
  if (line.length <= 1 && !line[0]?.startsWith("-")) {
    // All verbs' modules would take a second to load.
    for (const verb of verbs()) if (verb.startsWith(line[0] ?? "")) console.log(verb);
    return;
  }
  const data = line[line.indexOf("--data") + 1];
  const catalog = meshCatalog(() => readMesh(line.includes("--data") ? data : undefined));
  const verb = line.length > 1 ? line[0] : undefined;
  const found = await complete(await buildProgram(verb), line, catalog).catch(() => []);
  for (const { value, about } of found) {
    const [first = ""] = about.split("\n", 1);
    console.log(first === "" ? value : `${value}\t${first.slice(0, LONGEST_ABOUT)}`);
  }
}

/** What bash has taken apart: "a", "=", "b" is one word. */
export function joined(words: readonly string[]): string[] {
  const out: string[] = [];
  let open = false;
  for (const word of words) {
    const last = out.length - 1;
    if (word === "=" && last >= 0) {
      out[last] += "=";
      open = true;
    } else if (open) {
      out[last] += word;
      open = false;
    } else out.push(word);
  }
  return out;
}
