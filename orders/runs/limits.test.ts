import { expect, test } from "vitest";
import { entryFault, MOST_ENTRIES, MOST_ENTRY_BYTES, MOST_JOURNAL_BYTES, resultFault } from "./limits.ts";

const method = "loan.v1.LoanService/Apply";
const entry = { index: 7, name: "charge", bytes: 100 };

test("what fits is taken, up to the limits themselves", () => {
  expect(entryFault(method, { entries: MOST_ENTRIES - 1, bytes: 0 }, entry)).toBeUndefined();
  const full = { ...entry, bytes: MOST_ENTRY_BYTES };
  expect(
    entryFault(method, { entries: 1, bytes: MOST_JOURNAL_BYTES - MOST_ENTRY_BYTES }, full),
  ).toBeUndefined();
  expect(resultFault(method, 16 * 2 ** 20)).toBeUndefined();
});

test.each([
  [
    "RUN_TOO_LONG",
    { entries: MOST_ENTRIES, bytes: 0 },
    entry,
    "Step 7 (charge) of the durable run of loan.v1.LoanService/Apply is one more than the 10000 that a run may have. Let the function start other runs for parts of its work, or go on in a run of its own.",
  ],
  [
    "RUN_STEP_NAME_INVALID",
    { entries: 0, bytes: 0 },
    { ...entry, name: "a\0b" },
    'Step 7 of the durable run of loan.v1.LoanService/Apply has a NUL character in its name, "a\\u0000b". Name it without.',
  ],
  [
    "RUN_ENTRY_TOO_LARGE",
    { entries: 1, bytes: 0 },
    { ...entry, bytes: 3 * 2 ** 20 },
    "Step 7 (charge) of the durable run of loan.v1.LoanService/Apply has a result of 3 MiB, more than the 1 MiB that a journal takes. Keep what is large as an artifact, and pass its URI along (docs/artifacts.md).",
  ],
  [
    "RUN_JOURNAL_TOO_LARGE",
    { entries: 1, bytes: MOST_JOURNAL_BYTES },
    entry,
    "Step 7 (charge) of the durable run of loan.v1.LoanService/Apply makes the run's journal larger than 64 MiB. Keep what is large as an artifact, and pass its URI along (docs/artifacts.md).",
  ],
])("%s", (reason, size, given, message) => {
  expect(entryFault(method, size, given)).toMatchObject({ reason, message });
});

test("RESULT_TOO_LARGE names artifacts", () => {
  expect(resultFault(method, 100 * 2 ** 20)).toMatchObject({
    status: "RESOURCE_EXHAUSTED",
    reason: "RESULT_TOO_LARGE",
    message:
      "The result of the durable run of loan.v1.LoanService/Apply has 100 MiB, more than the 16 MiB that an operation keeps. Keep what is large as an artifact, and pass its URI along (docs/artifacts.md).",
  });
});
