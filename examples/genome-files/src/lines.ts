import type { FileHandle } from "node:fs/promises";
import { RouseError } from "rouse/errors";

/** Part of a line; a line that fits into one chunk is one fragment. */
export interface Fragment {
  /** Without the "\n". Valid until the next fragment is asked for. */
  readonly bytes: Buffer;
  /** Whether the line ends with it. */
  readonly last: boolean;
  /** Whether a "\n" ended it; false for the last line of a file without one. */
  readonly newline: boolean;
  /** Of the line, from 1. */
  readonly number: number;
  /** Of the fragment's first byte, from 0. */
  readonly offset: number;
}

const chunkBytes = 256 * 1024;

/** Reads a file in chunks and splits them at "\n", so that even one line of gigabytes needs one chunk of memory. */
export async function* fragmentsOf(file: FileHandle): AsyncGenerator<Fragment> {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  let number = 1;
  let open = false;
  let end = 0;
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunkBytes, position);
    if (bytesRead === 0) break;
    let from = 0;
    while (from < bytesRead) {
      const found = chunk.indexOf(10, from);
      const newline = found >= 0 && found < bytesRead;
      const to = newline ? found : bytesRead;
      yield { bytes: chunk.subarray(from, to), last: newline, newline, number, offset: position + from };
      open = !newline;
      if (newline) number++;
      from = newline ? to + 1 : to;
    }
    position += bytesRead;
    end = position;
  }
  if (open) yield { bytes: chunk.subarray(0, 0), last: true, newline: false, number, offset: end };
}

/** A line of a text file and where it is. */
export interface Line {
  /** Without its end ("\n" or "\r\n"). */
  readonly text: string;
  /** From 1. */
  readonly number: number;
  /** Of its first byte, from 0. */
  readonly offset: number;
  /** Bytes without its end. */
  readonly bytes: number;
}

/**
 * Reads a file line by line.
 *
 * @param longest most bytes of one line.
 * @throws RouseError INVALID_ARGUMENT LINE_TOO_LONG.
 */
export async function* linesOf(file: FileHandle, path: string, longest: number): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const fragment of fragmentsOf(file)) {
    bytes += fragment.bytes.length;
    if (bytes > longest)
      throw new RouseError(
        "INVALID_ARGUMENT",
        `${path}:${fragment.number}: the line is longer than ${longest} bytes; is this the right file?`,
        { reason: "LINE_TOO_LONG" },
      );
    parts.push(fragment.last ? fragment.bytes : Buffer.from(fragment.bytes));
    if (!fragment.last) continue;
    const whole = parts.length === 1 ? fragment.bytes : Buffer.concat(parts);
    const length = whole.at(-1) === 13 ? whole.length - 1 : whole.length;
    const offset = fragment.offset + fragment.bytes.length - bytes;
    yield { text: whole.toString("utf8", 0, length), number: fragment.number, offset, bytes: length };
    parts = [];
    bytes = 0;
  }
}
