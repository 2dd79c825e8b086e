/** Bytes from one to another, both included. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Which part of a content a request asks for (RFC 9110, section 14). Several ranges, other units and nonsense count as none: then
 * all of it is the answer.
 *
 * @param bytes Of all of it.
 * @returns undefined: all; "unsatisfiable": it has no such bytes.
 */
export function parseRange(
  header: string | undefined,
  bytes: number,
): ByteRange | "unsatisfiable" | undefined {
  const [, first = "", last = ""] = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const count = Number(last);
    if (count === 0 || bytes === 0) return "unsatisfiable";
    return { from: Math.max(0, bytes - count), to: bytes - 1 };
  }
  const from = Number(first);
  const to = last === "" ? bytes - 1 : Math.min(Number(last), bytes - 1);
  if (last !== "" && Number(last) < from) return undefined;
  return from < bytes ? { from, to } : "unsatisfiable";
}
