import { expect, test } from "vitest";
import { type Entry, EntryKind } from "#proto/rouse/orders/v1/durable.ts";
import { Operation, OperationState } from "#proto/rouse/orders/v1/operations.ts";
import { type JournalEntry, Run, RunState } from "#proto/rouse/orders/v1/runs.ts";
import { keptLines, runLines } from "./lines.ts";
import { span, timeline } from "./timeline.ts";

const beganMs = Date.UTC(2026, 10, 29, 12);

function entry(parts: Partial<Entry>, times: [fromMs: number, toMs: number], operation = ""): JournalEntry {
  const value = parts.value ?? Buffer.alloc(0);
  const [fromMs, toMs] = times;
  return {
    entry: {
      index: 0,
      kind: EntryKind.STEP,
      name: "",
      done: toMs > 0,
      value,
      error: undefined,
      untilMs: 0,
      call: undefined,
      beganAtMs: beganMs + fromMs,
      order: 1,
      digest: Buffer.alloc(0),
      ...parts,
    },
    recordedAtMs: beganMs + fromMs,
    completedAtMs: toMs > 0 ? beganMs + toMs : 0,
    operation,
    valueBytes: value.length,
  };
}

const run = Run.fromPartial({
  operation: Operation.fromPartial({
    id: "r1",
    service: "loan.v1.LoanService",
    method: "Apply",
    version: "1.0.0",
    state: OperationState.RUNNING,
    attempts: 2,
    createdAtMs: beganMs,
  }),
  key: "sheep",
  state: RunState.SLEEPING,
  wakesAtMs: beganMs + 130_000,
  entries: 4,
  bytes: 2_000,
  retries: 1,
});

test("the journal is drawn as a timeline", () => {
  const journal = [
    entry({ index: 0, name: "charge", value: Buffer.from('{"id":7}') }, [0, 1_000]),
    entry(
      { index: 1, kind: EntryKind.CALL, name: "mail.v1.MailService/Send", value: Buffer.from([0, 1, 2]) },
      [1_000, 9_000],
      "o1",
    ),
    entry(
      { index: 2, name: "pay", error: { code: 9, message: "No\nmoney.", reason: "", metadata: {} } },
      [9_000, 9_500],
    ),
    entry({ index: 3, kind: EntryKind.PATCH, name: "new tax", value: Buffer.from("true") }, [10_000, 10_000]),
    entry({ index: 4, kind: EntryKind.SLEEP, name: "sleep" }, [10_000, 0]),
  ];
  const lines = timeline({ ...run, journal }, beganMs + 20_000);
  expect(lines).toEqual([
    "r1  loan.v1.LoanService/Apply  1.0.0  sleeping",
    "key sheep · 4 steps, 2.0 KiB · begun 2 times · retried once",
    "started 2026-11-29 12:00:00 UTC, 20 s ago",
    "sleeps for 110 s more",
    "",
    '0  step   charge                    ██······························   1.0 s  {"id":7}',
    "1  call   mail.v1.MailService/Send  ·██████████████·················   8.0 s  3 B  operation o1",
    "2  step   pay                       ··············██················  500 ms  failed: No money.",
    "3  patch  new tax                   ················█···············    0 ms  true",
    "4  sleep  sleep                     ················▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒  10.0 s  goes on",
  ]);
});

test("a run is a line of a list", () => {
  expect(runLines([run], beganMs + 20_000)).toEqual([
    "RUN  METHOD                     VERSION  STATE     KEY    STEPS  AGE",
    "r1   loan.v1.LoanService/Apply  1.0.0    sleeping  sheep  4      20 s  wakes in 110 s",
  ]);
});

test("what is kept is a line of a list", () => {
  const kept = { key: "sheep", name: "wool", run: "r1", keptAtMs: beganMs };
  const lines = keptLines(
    [
      { ...kept, value: Buffer.from('{"kg":3}'), valueBytes: 8 },
      { ...kept, name: "photo", value: Buffer.from([0, 1]), valueBytes: 5_000 },
    ],
    beganMs + 20_000,
  );
  expect(lines).toEqual([
    "KEY    NAME   VALUE     AGE   RUN",
    'sheep  wool   {"kg":3}  20 s  r1',
    "sheep  photo  4.9 KiB   20 s  r1",
  ]);
});

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [4_230, "4.2 s"],
  [180_000, "3 min"],
  [7_200_000, "2 h"],
  [5 * 86_400_000, "5 days"],
])("%d ms are %s", (ms, text) => {
  expect(span(ms)).toBe(text);
});
