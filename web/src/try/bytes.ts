import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";

/** How bytes are written in the form. */
export const bytesModes = ["text", "hex", "base64"] as const;
export type BytesMode = (typeof bytesModes)[number];

/** Reads what was typed. @returns base64, or what is wrong with it. */
export function typedBytes(mode: BytesMode, text: string): { base64: string } | { problem: string } {
  if (mode === "base64") return { base64: text.trim() };
  if (mode === "text") return { base64: base64Encode(new TextEncoder().encode(text)) };
  const digits = text.replaceAll(/[\s:]|0x/g, "");
  if (!/^[0-9a-f]*$/i.test(digits)) return { problem: "Hex has the digits 0 to 9 and a to f only." };
  if (digits.length % 2 !== 0) return { problem: "Hex needs two digits for each byte; one is missing." };
  const pairs = digits.match(/../g) ?? [];
  return { base64: base64Encode(Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16))) };
}

/** Writes base64 the other way; undefined: the bytes cannot be written so. */
export function shownBytes(mode: BytesMode, base64: string): string | undefined {
  if (mode === "base64") return base64;
  let bytes: Uint8Array;
  try {
    bytes = base64Decode(base64);
  } catch {
    return undefined;
  }
  if (mode === "hex") return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Number of bytes that base64 stands for. */
export function byteCount(base64: string): number {
  return Math.floor((base64.replace(/=+$/, "").length * 3) / 4);
}
