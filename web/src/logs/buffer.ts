/** A line as Logs.ReadLogs sends it. */
export interface LogLine {
  readonly atMs: bigint;
  readonly version: string;
  readonly instance: string;
  readonly host: string;
  readonly stream: string;
  readonly text: string;
}

/** A line with a number that it keeps. */
export interface NumberedLine extends LogLine {
  readonly number: number;
}

/** Lines that are kept; older ones are dropped. */
export const mostLines = 5_000;
/** Characters of a line that are kept. */
export const longestLine = 8_000;

/** What a page holds of a log. */
export interface LogBuffer {
  readonly lines: readonly NumberedLine[];
  /** All that came. */
  readonly count: number;
}

export const emptyBuffer: LogBuffer = { lines: [], count: 0 };

/** Adds lines; the oldest ones are dropped beyond the limit, and overlong ones are cut. */
export function addLines({ lines, count }: LogBuffer, more: readonly LogLine[], most = mostLines): LogBuffer {
  const numbered = more.map((line, i) => ({
    ...line,
    text:
      line.text.length > longestLine
        ? `${line.text.slice(0, longestLine)}… (${line.text.length} characters)`
        : line.text,
    number: count + i,
  }));
  const all = [...lines, ...numbered];
  return { lines: all.length > most ? all.slice(-most) : all, count: count + more.length };
}
