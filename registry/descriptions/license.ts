import parse from "spdx-expression-parse";

/** True for an SPDX licence expression, such as "MIT OR Apache-2.0", and for nothing at all. */
export function isLicense(expression: string): boolean {
  if (expression === "") return true;
  try {
    parse(expression);
    return true;
  } catch {
    return false;
  }
}
