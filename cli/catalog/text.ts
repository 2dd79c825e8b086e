import { styleText } from "node:util";

/** Width of the terminal, characters; 100 where the output goes elsewhere. */
export function terminalWidth(): number {
  return Math.max(20, process.stdout.columns ?? 100);
}

/** A text in bold or dim, on terminals that show it. */
export function styled(style: "bold" | "dim" | "red" | "green" | "yellow", text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** Somebody else's text without what would steer the terminal. */
export function harmless(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "");
}

/** Breaks a text into lines of at most `width` characters, indented; line breaks of its own stay. */
export function wrap(text: string, indent = "", width = terminalWidth()): string[] {
  const room = Math.max(10, width - indent.length);
  return harmless(text)
    .split("\n")
    .flatMap((paragraph) => breakLine(paragraph.trimEnd(), room))
    .map((line) => (line === "" ? "" : indent + line));
}

function breakLine(text: string, room: number): string[] {
  const lines: string[] = [];
  // What is a list or code in Markdown keeps its place.
  const hang = /^\s*(?:[-*]\s+|\d+\.\s+)?/.exec(text)?.[0] ?? "";
  let line = "";
  for (const word of text.slice(hang.length).split(/\s+/)) {
    const next = line === "" ? word : `${line} ${word}`;
    if (line !== "" && hang.length + next.length > room) {
      lines.push(line);
      line = word;
    } else line = next;
  }
  lines.push(line);
  return lines.map((one, at) => (at === 0 ? hang : " ".repeat(hang.length)) + one);
}
