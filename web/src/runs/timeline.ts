import { EntryKind } from "../../gen/rouse/orders/v1/durable.ts";
import type { JournalEntry } from "../../gen/rouse/orders/v1/runs.ts";

const kinds = new Map<EntryKind, string>([
  [EntryKind.ENTRY_KIND_STEP, "step"],
  [EntryKind.ENTRY_KIND_RANDOM, "random"],
  [EntryKind.ENTRY_KIND_TIME, "time"],
  [EntryKind.ENTRY_KIND_SLEEP, "sleep"],
  [EntryKind.ENTRY_KIND_CALL, "call"],
  [EntryKind.ENTRY_KIND_ANSWER, "answer"],
  [EntryKind.ENTRY_KIND_PATCH, "patch"],
  [EntryKind.ENTRY_KIND_KEPT, "kept"],
  [EntryKind.ENTRY_KIND_KEEP, "keep"],
]);

/** One entry of a journal as a line of the timeline. */
export interface TimelineRow {
  readonly index: number;
  readonly kind: string;
  readonly name: string;
  readonly state: "done" | "failed" | "waiting";
  /** When it began and ended, ms since 1970; of what waits, now. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Its place in the whole run, 0 to 1. */
  readonly left: number;
  readonly width: number;
  readonly journal: JournalEntry;
}

/** Narrowest bar, as a share of the whole. */
const NARROWEST = 0.004;

/**
 * Lays a journal out over time.
 *
 * @param startMs when the run began, ms since 1970.
 * @param endMs when it ended, or now.
 */
export function timeline(journal: readonly JournalEntry[], startMs: number, endMs: number): TimelineRow[] {
  const times = journal.flatMap((entry) => {
    const began = Number(entry.entry?.beganAtMs ?? 0n) || Number(entry.recordedAtMs);
    return began === 0 ? [] : [began];
  });
  const first = Math.min(startMs, ...times);
  const span = Math.max(1, endMs - first);
  const share = (ms: number) => Math.min(1, Math.max(0, (ms - first) / span));
  return journal.flatMap((line) => {
    const { entry } = line;
    if (entry === undefined) return [];
    const from = Number(entry.beganAtMs) || Number(line.recordedAtMs) || first;
    const ended = entry.done ? Number(line.completedAtMs) || Number(line.recordedAtMs) || from : endMs;
    const to = Math.max(from, ended);
    const width = Math.max(NARROWEST, share(to) - share(from));
    return [
      {
        index: entry.index,
        kind: kinds.get(entry.kind) ?? "entry",
        name: entry.name,
        state: entry.error !== undefined ? "failed" : entry.done ? "done" : "waiting",
        fromMs: from,
        toMs: to,
        left: Math.min(share(from), 1 - width),
        width,
        journal: line,
      },
    ];
  });
}
