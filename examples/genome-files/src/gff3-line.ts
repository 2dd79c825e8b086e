import gff from "@gmod/gff";
import { RouseError } from "rouse/errors";

/** One line of a GFF3 file. Positions count from 1 and include both ends. */
export interface GenomeFeature {
  readonly reference: string;
  readonly source: string;
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly score: number | undefined;
  readonly strand: "+" | "-" | "." | "?";
  readonly phase: number | undefined;
  /** Attribute Name, or else ID; empty: neither. */
  readonly name: string;
  /** With ID, Name and Parent; values are unescaped. */
  readonly attributes: Readonly<Record<string, readonly string[]>>;
}

const columns = ["reference", "source", "type", "start", "end", "score", "strand", "phase", "attributes"];
const largest = 0xffff_ffff;

/**
 * Reads one feature line of GFF3 1.26
 * (https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md).
 *
 * @param where path and line for messages.
 * @throws RouseError INVALID_ARGUMENT GFF3_INVALID saying what is wrong with which column.
 */
export function parseFeatureLine(text: string, where: string): GenomeFeature {
  const fields = text.split("\t");
  if (fields.length !== 9)
    throw invalid(
      where,
      `a feature has 9 columns with tabs between them (${columns.join(", ")}); this line has ${fields.length}`,
    );
  const [reference = "", , type = "", start = "", end = "", score = "", strand = "", phase = ""] = fields;
  if (reference === "." || reference === "") throw invalid(where, "column 1 (reference) is empty");
  if (type === "." || type === "") throw invalid(where, "column 3 (type) is empty");
  const first = position(start, "column 4 (start)", where);
  const last = position(end, "column 5 (end)", where);
  if (first > last)
    throw invalid(where, `the start ${first} is behind the end ${last}; GFF3 wants start <= end`);
  if (score !== "." && !Number.isFinite(Number(score || "x")))
    throw invalid(where, `column 6 (score) is "${score}"; write a number or "."`);
  if (strand !== "+" && strand !== "-" && strand !== "." && strand !== "?")
    throw invalid(where, `column 7 (strand) is "${strand}"; write +, -, . or ?`);
  if (!/^[.012]$/.test(phase)) throw invalid(where, `column 8 (phase) is "${phase}"; write 0, 1, 2 or "."`);
  const parsed = parse(text, where);
  const attributes = parsed.attributes ?? {};
  return {
    reference: parsed.seq_id ?? reference,
    source: parsed.source ?? "",
    type: parsed.type ?? type,
    start: first,
    end: last,
    score: score === "." ? undefined : Number(score),
    strand,
    phase: phase === "." ? undefined : Number(phase),
    name: attributes.Name?.[0] ?? attributes.ID?.[0] ?? "",
    attributes,
  };
}

function position(text: string, column: string, where: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= largest) return value;
  throw invalid(where, `${column} is "${text}"; write a whole number from 1 to ${largest}`);
}

function parse(text: string, where: string): ReturnType<typeof gff.util.parseFeature> {
  try {
    return gff.util.parseFeature(text);
  } catch (cause) {
    // The library unescapes by decodeURIComponent, which throws at a stray %.
    throw invalid(where, "a % is not followed by two hexadecimal digits; write a percent sign as %25", cause);
  }
}

function invalid(where: string, what: string, cause?: unknown): RouseError {
  return new RouseError("INVALID_ARGUMENT", `${where}: ${what}.`, { reason: "GFF3_INVALID", cause });
}
