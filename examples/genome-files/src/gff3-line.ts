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

/** The columns of a line, checked; its names and attributes are as the file escapes them. */
export interface FeatureColumns {
  readonly reference: string;
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly score: number | undefined;
  readonly strand: "+" | "-" | "." | "?";
  readonly phase: number | undefined;
  readonly attributes: string;
}

/**
 * Checks one feature line of GFF3 1.26
 * (https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md).
 *
 * @param where path and line for messages.
 * @throws RouseError INVALID_ARGUMENT GFF3_INVALID saying what is wrong with which column.
 */
export function checkFeatureLine(text: string, where: string): FeatureColumns {
  const fields = text.split("\t");
  if (fields.length !== 9)
    throw invalid(
      where,
      `a feature has 9 columns with tabs between them (${columns.join(", ")}); this line has ${fields.length}`,
    );
  const [
    reference = "",
    ,
    type = "",
    start = "",
    end = "",
    score = "",
    strand = "",
    phase = "",
    attributes = "",
  ] = fields;
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
  // What is escaped is unescaped here once, so that no line can fail when it is asked for.
  if (text.includes("%")) parse(text, where);
  return {
    reference,
    type,
    start: first,
    end: last,
    score: score === "." ? undefined : Number(score),
    strand,
    phase: phase === "." ? undefined : Number(phase),
    attributes,
  };
}

/** Reads one feature line. Throws as {@link checkFeatureLine}. */
export function parseFeatureLine(text: string, where: string): GenomeFeature {
  const { start, end, score, strand, phase, ...checked } = checkFeatureLine(text, where);
  const parsed = parse(text, where);
  const attributes = parsed.attributes ?? {};
  return {
    reference: parsed.seq_id ?? checked.reference,
    source: parsed.source ?? "",
    type: parsed.type ?? checked.type,
    start,
    end,
    score,
    strand,
    phase,
    name: attributes.Name?.[0] ?? attributes.ID?.[0] ?? "",
    attributes,
  };
}

/** What a feature can be found by: the values of Name and ID, unescaped. */
export function namesIn(attributes: string): Set<string> {
  const names = new Set<string>();
  for (const attribute of attributes.split(";")) {
    const text = attribute.trimStart();
    if (!text.startsWith("ID=") && !text.startsWith("Name=")) continue;
    const { ID = [], Name = [] } = gff.util.parseAttributes(text);
    for (const name of [...ID, ...Name]) names.add(name);
  }
  return names;
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
