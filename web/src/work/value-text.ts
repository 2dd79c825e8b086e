/** Most bytes that are drawn. */
const LONGEST = 20_000;

/** A value as people may read it: JSON with indents, else its text, else its first bytes in hexadecimal. */
export function valueText(bytes: Uint8Array): string {
  const part = bytes.subarray(0, LONGEST);
  const whole = part.length === bytes.length;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(part, { stream: !whole });
  } catch {
    return hex(bytes);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what tells bytes from text.
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text)) return hex(bytes);
  return whole ? pretty(text) : `${text}…`;
}

/** JSON with indents; as it is written where it is none, or a number has more digits than JavaScript keeps. */
export function pretty(json: string): string {
  if (/(?:^|[[:,\s])-?\d{16,}\s*(?:[\]},]|$)/.test(json)) return json;
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

function hex(bytes: Uint8Array): string {
  const digits = [...bytes.subarray(0, 256)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return bytes.length > 256 ? `${digits} …` : digits;
}
