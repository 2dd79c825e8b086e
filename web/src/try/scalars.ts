import { ScalarType } from "@bufbuild/protobuf";
import type { Json } from "./json.ts";

const ranges: Partial<Record<ScalarType, readonly [bigint, bigint]>> = {
  [ScalarType.INT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.SINT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.SFIXED32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.UINT32]: [0n, 2n ** 32n - 1n],
  [ScalarType.FIXED32]: [0n, 2n ** 32n - 1n],
  [ScalarType.INT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.SINT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.SFIXED64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.UINT64]: [0n, 2n ** 64n - 1n],
  [ScalarType.FIXED64]: [0n, 2n ** 64n - 1n],
};

const is64 = new Set([
  ScalarType.INT64,
  ScalarType.SINT64,
  ScalarType.SFIXED64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
]);

/** Largest finite float. */
const mostFloat = 3.4028234663852886e38;

/** What is wrong with a scalar's JSON; undefined: nothing. */
export function scalarProblem(scalar: ScalarType, value: Json): string | undefined {
  if (scalar === ScalarType.STRING) return stringProblem(value);
  if (scalar === ScalarType.BYTES) return bytesProblem(value);
  if (scalar === ScalarType.BOOL) return typeof value === "boolean" ? undefined : "Write true or false.";
  const range = ranges[scalar];
  return range === undefined ? floatProblem(scalar, value) : integerProblem(range, value);
}

function stringProblem(value: Json): string | undefined {
  if (typeof value !== "string") return "Write a text, in quotes.";
  return isWellFormed(value) ? undefined : "The text holds half of a character (a lone surrogate).";
}

function isWellFormed(text: string): boolean {
  return !/[\ud800-\udfff]/u.test(text);
}

function bytesProblem(value: Json): string | undefined {
  if (typeof value !== "string") return "Write bytes as base64, in quotes.";
  const plain = value.replace(/=+$/, "");
  return /^[A-Za-z0-9+/_-]*$/.test(plain) && plain.length % 4 !== 1
    ? undefined
    : "This is no base64: letters, digits, + and / only, in groups of four.";
}

function integerProblem([least, most]: readonly [bigint, bigint], value: Json): string | undefined {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string" || !/^-?\d+$/.test(text)) {
    return typeof value === "string" || typeof value === "number"
      ? `"${value}" is no whole number.`
      : "Write a whole number.";
  }
  const number = BigInt(text);
  if (number >= least && number <= most) return undefined;
  return `${text} is out of range: write a number from ${least} to ${most}.`;
}

function floatProblem(scalar: ScalarType, value: Json): string | undefined {
  if (value === "NaN" || value === "Infinity" || value === "-Infinity") return undefined;
  const number = typeof value === "string" && value.trim() === value && value !== "" ? Number(value) : value;
  if (typeof number !== "number" || Number.isNaN(number))
    return typeof value === "string" ? `"${value}" is no number.` : "Write a number.";
  if (!Number.isFinite(number) || (scalar === ScalarType.FLOAT && Math.abs(number) > mostFloat))
    return `${value} is too large for a ${ScalarType[scalar]?.toLowerCase()}.`;
  return undefined;
}

/**
 * JSON of what was typed into a number's field: a number where JSON can hold it, the digits as text for 64 bits, and
 * what is no number as it was typed, so that the check can say so.
 */
export function typedNumber(scalar: ScalarType, text: string): Json | undefined {
  const typed = text.trim();
  if (typed === "") return undefined;
  if (is64.has(scalar) || scalarProblem(scalar, typed) !== undefined) return typed;
  const number = Number(typed);
  return Number.isFinite(number) ? number : typed;
}
