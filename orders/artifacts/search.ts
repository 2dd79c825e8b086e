import type { SearchArtifactsRequest } from "#proto/rouse/orders/v1/artifacts.ts";
import { RouseError } from "../../sdk/errors.ts";

/** A search as PostgreSQL understands it: a condition over "artifacts a", and what its $1, $2, … stand for. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly unknown[];
}

const WHERE = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63})\s*(!=|<=|>=|=|<|>)\s*(.*)$/s;
const NUMBER = /^-?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})(e[+-]?\d{1,2})?$/i;
/** The same for PostgreSQL. */
const SQL_NUMBER = String.raw`^-?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})([eE][+-]?\d{1,2})?$`;
const PAGE = /^(\d{1,16})-([0-9a-f]{64})$/;
const MOST_TERMS = 20;
/** A lexeme of PostgreSQL may have 2046 bytes. */
const LONGEST_WORD = 100;
/** Of what a Date and PostgreSQL both have. */
const LATEST_MS = 8.64e15;

/**
 * Makes a condition of a search.
 *
 * @throws RouseError INVALID_ARGUMENT ARTIFACT_SEARCH_INVALID.
 */
export function searchCondition(request: SearchArtifactsRequest): Condition {
  const values: unknown[] = [];
  const value = (given: unknown) => `$${values.push(given)}`;
  const parts = ["a.place IS NOT NULL"];
  const words = wordsOf(request.query);
  if (words.length > MOST_TERMS) throw invalid(`it has more than ${MOST_TERMS} words`);
  if (words.length > 0)
    parts.push(`a.words @@ ${value(words.map((word) => `${word}:*`).join(" & "))}::tsquery`);
  if (request.where.length > MOST_TERMS) throw invalid(`it has more than ${MOST_TERMS} conditions`);
  for (const term of request.where) parts.push(termSql(term, value));
  if (request.owner !== "") parts.push(`a.owner = ${value(request.owner)}`);
  if (request.holder !== "")
    parts.push(`a.digest IN (SELECT digest FROM artifact_holds WHERE holder = ${value(request.holder)})`);
  const time = (ms: number) => `${value(new Date(Math.min(ms, LATEST_MS)))}::timestamptz`;
  if (request.sinceMs > 0) parts.push(`a.created_at >= ${time(request.sinceMs)}`);
  if (request.untilMs > 0) parts.push(`a.created_at < ${time(request.untilMs)}`);
  if (request.page !== "") {
    const [, ms, digest] = PAGE.exec(request.page) ?? [];
    if (digest === undefined) throw invalid("the page was never given");
    parts.push(`(a.created_at, a.digest) < (${time(Number(ms))}, ${value(digest)})`);
  }
  return { sql: parts.join(" AND "), values };
}

/** The page after an artifact. */
export function pageAfter(createdAt: Date, digest: string): string {
  return `${createdAt.getTime()}-${digest}`;
}

/** Runs of letters and digits: what the index has, and what is looked for in it. */
export function wordsOf(text: string): string[] {
  const words = text
    .normalize("NFKC")
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .map((word) => word.slice(0, LONGEST_WORD))
    .filter((word) => word !== "");
  return [...new Set(words)];
}

function termSql(term: string, value: (given: unknown) => string): string {
  const [, key = "", operator = "", text = ""] = WHERE.exec(term) ?? [];
  if (key === "")
    throw invalid(
      `${JSON.stringify(term.slice(0, 80))} is no condition; one is key=value, with =, !=, <, <=, > or >=`,
    );
  if (text.includes("\0") || !text.isWellFormed()) throw invalid(`the value of ${key} is not text`);
  if (operator === "=") return `a.metadata @> ${value(JSON.stringify({ [key]: text }))}::jsonb`;
  const said = `(a.metadata ->> ${value(key)})`;
  if (operator === "!=") return `${said} IS DISTINCT FROM ${value(text)}`;
  // A number is compared with numbers, and any other text as text, such as a date.
  if (!NUMBER.test(text)) return `${said} COLLATE "C" ${operator} ${value(text)}`;
  return `CASE WHEN ${said} ~ '${SQL_NUMBER}' THEN ${said}::numeric ${operator} ${value(text)}::numeric ELSE false END`;
}

function invalid(why: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `There is no such search: ${why}.`, {
    reason: "ARTIFACT_SEARCH_INVALID",
  });
}
