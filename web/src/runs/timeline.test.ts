import { expect, test } from "vitest";
import { Entry, EntryKind } from "../../gen/rouse/orders/v1/durable.ts";
import { JournalEntry } from "../../gen/rouse/orders/v1/runs.ts";
import { timeline } from "./timeline.ts";

const line = (entry: Partial<Entry>, recorded: number, completed = 0) =>
  JournalEntry.create({
    entry: Entry.create(entry),
    recordedAtMs: BigInt(recorded),
    completedAtMs: BigInt(completed),
  });

test("entries lie where they were in time; what waits lasts until now", () => {
  const rows = timeline(
    [
      line(
        { index: 0, kind: EntryKind.ENTRY_KIND_STEP, name: "fetch", done: true, beganAtMs: 1_000n },
        1_250,
      ),
      line({ index: 1, kind: EntryKind.ENTRY_KIND_SLEEP, name: "1 h", beganAtMs: 1_500n }, 1_500),
      line(
        {
          index: 2,
          kind: EntryKind.ENTRY_KIND_CALL,
          name: "a.B/C",
          done: true,
          beganAtMs: 1_500n,
          error: { code: 3, message: "no", reason: "NO", metadata: {} },
        },
        1_500,
        1_750,
      ),
    ],
    1_000,
    2_000,
  );
  expect(rows.map(({ kind, state, left, width }) => ({ kind, state, left, width }))).toEqual([
    { kind: "step", state: "done", left: 0, width: 0.25 },
    { kind: "sleep", state: "waiting", left: 0.5, width: 0.5 },
    { kind: "call", state: "failed", left: 0.5, width: 0.25 },
  ]);
});

test("a moment is still to be seen, and stays within the whole; clocks that differ do not matter", () => {
  const time = { index: 0, kind: EntryKind.ENTRY_KIND_PATCH, done: true };
  const [late, early] = timeline(
    [line({ ...time, beganAtMs: 2_000n }, 2_000), line({ ...time, beganAtMs: 900n }, 1_900)],
    1_000,
    2_000,
  );
  expect(late).toMatchObject({ kind: "patch", left: 1 - 0.004, width: 0.004 });
  expect(early).toMatchObject({ left: 0, fromMs: 900 });
  expect(timeline([], 1_000, 1_000)).toEqual([]);
});
