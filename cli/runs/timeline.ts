import { EntryKind } from "#proto/rouse/orders/v1/durable.ts";
import { type JournalEntry, type Run, RunState } from "#proto/rouse/orders/v1/runs.ts";
import { age } from "../../sdk/age.ts";
import { kindWord } from "../../sdk/durable/entry.ts";
import { harmless } from "../catalog/text.ts";

/** Columns of the bars. */
const WIDTH = 32;
/** Characters of a value or an error that fit on a line. */
const SHOWN = 60;

/** "sleeping" */
export function runStateWord(state: RunState): string {
  return state.replace("RUN_STATE_", "").toLowerCase();
}

/** A run with its journal as a timeline, a line for each entry: its number, what it is, when it was, and what came of it. */
export function timeline(run: Run, nowMs: number): string[] {
  const { operation, journal } = run;
  const beganMs = operation?.createdAtMs ?? nowMs;
  const endMs = Math.max(operation?.endedAtMs || nowMs, beganMs + 1);
  const cells = journal.map((entry) => row(entry, beganMs, endMs, nowMs));
  const width = (column: "index" | "kind" | "name" | "took") =>
    Math.max(0, ...cells.map((cell) => cell[column].length));
  return [
    ...head(run, nowMs),
    ...(cells.length === 0 ? [] : [""]),
    ...cells.map((cell) =>
      [
        cell.index.padStart(width("index")),
        cell.kind.padEnd(width("kind")),
        cell.name.padEnd(width("name")),
        cell.bar,
        cell.took.padStart(width("took")),
        cell.outcome,
      ]
        .join("  ")
        .trimEnd(),
    ),
  ].map(harmless);
}

function head(run: Run, nowMs: number): string[] {
  const { operation, state, key, entries, bytes, retries, parent, trouble, wakesAtMs } = run;
  if (operation === undefined) return [];
  const { id, service, method, version, attempts, createdAtMs, endedAtMs, error } = operation;
  const facts = [
    ...(key === "" ? [] : [`key ${key}`]),
    `${entries} ${entries === 1 ? "step" : "steps"}, ${size(bytes)}`,
    `begun ${attempts === 1 ? "once" : `${attempts} times`}`,
    ...(retries === 0 ? [] : [`retried ${retries === 1 ? "once" : `${retries} times`}`]),
    ...(parent === "" ? [] : [`started by ${parent}`]),
  ];
  const time = new Date(createdAtMs).toISOString().replace("T", " ").slice(0, 19);
  const lasted = endedAtMs > 0 ? `took ${span(endedAtMs - createdAtMs)}` : `${age(nowMs - createdAtMs)} ago`;
  return [
    `${id}  ${service}/${method}  ${version}  ${runStateWord(state)}`,
    facts.join(" · "),
    `started ${time} UTC, ${lasted}`,
    ...(state === RunState.SLEEPING && wakesAtMs > 0 ? [`sleeps for ${age(wakesAtMs - nowMs)} more`] : []),
    ...(trouble === "" ? [] : [`trouble: ${oneLine(trouble)}`]),
    ...(error === undefined ? [] : [`${error.reason}: ${error.message}`]),
  ];
}

function row(given: JournalEntry, beganMs: number, endMs: number, nowMs: number) {
  const { entry, completedAtMs, operation } = given;
  const startMs = entry?.beganAtMs || given.recordedAtMs;
  const stopMs = entry?.done === true ? completedAtMs : nowMs;
  return {
    index: String(entry?.index ?? 0),
    kind: kindWord(entry?.kind ?? EntryKind.UNSPECIFIED),
    name: entry?.name ?? "",
    bar: bar(startMs, stopMs, beganMs, endMs, entry?.done === true),
    took: span(Math.max(0, stopMs - startMs)),
    outcome: [outcome(given), ...(operation === "" ? [] : [`operation ${operation}`])]
      .filter((part) => part !== "")
      .join("  "),
  };
}

/** Where the entry lies in the time of its run. */
function bar(startMs: number, stopMs: number, beganMs: number, endMs: number, done: boolean): string {
  const place = (ms: number) => {
    const share = (ms - beganMs) / (endMs - beganMs);
    return Math.min(WIDTH - 1, Math.max(0, Math.floor(share * WIDTH)));
  };
  const from = place(startMs);
  const to = Math.max(from, place(stopMs));
  return `${"·".repeat(from)}${(done ? "█" : "▒").repeat(to - from + 1)}${"·".repeat(WIDTH - 1 - to)}`;
}

function outcome({ entry, valueBytes }: JournalEntry): string {
  if (entry === undefined) return "";
  if (entry.error !== undefined) return oneLine(`failed: ${entry.error.message}`);
  if (!entry.done) return entry.kind === EntryKind.ANSWER ? "waits for somebody" : "goes on";
  return shownValue(entry.value, valueBytes);
}

/** A value as one short line; its size where it is no text. @param bytes of all of it. */
export function shownValue(value: Buffer, bytes: number): string {
  if (bytes === 0) return "";
  const text = value.toString("utf8");
  const readable = harmless(text) === text && !text.includes("\ufffd");
  return readable ? oneLine(text) : size(bytes);
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > SHOWN ? `${line.slice(0, SHOWN - 1)}…` : line;
}

/** What something took: "230 ms", "4.2 s", "3 min", "2 h", "5 days" */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  return age(ms);
}

function size(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  if (bytes < 2 ** 20) return `${(bytes / 1_024).toFixed(1)} KiB`;
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
