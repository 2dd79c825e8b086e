import { describe, expect, test } from "vitest";
import { RouseError } from "../../../sdk/errors.ts";
import { judge } from "./verdict.ts";

const crash = new RouseError("ABORTED", "exited with code 1");
const base = { error: crash, blame: "task", failures: 0, faults: 0, retries: 2 } as const;

describe("a task that failed", () => {
  test("is tried again as often as it may, with longer and longer pauses", () => {
    const pauses = [0, 1, 2].map((failures) => judge({ ...base, failures }));
    expect(pauses).toEqual([
      { again: true, afterMs: 1_000, counted: true },
      { again: true, afterMs: 2_000, counted: true },
      { again: false },
    ]);
    expect(judge({ ...base, failures: 60, retries: 100 })).toMatchObject({ afterMs: 60_000 });
  });

  test("is not tried again where it would fail in the same way", () => {
    const large = new RouseError("RESOURCE_EXHAUSTED", "too large", { reason: "RESULT_TOO_LARGE" });
    for (const error of [new RouseError("INVALID_ARGUMENT", "wrong"), large])
      expect(judge({ ...base, error })).toEqual({ again: false });
  });

  test("is tried elsewhere when its host is to blame, though it may not be retried; but not for ever", () => {
    const lost = { ...base, blame: "host", retries: 0 } as const;
    expect(judge(lost)).toEqual({ again: true, afterMs: 1_000, counted: false });
    expect(judge({ ...lost, faults: 5 })).toEqual({ again: false });
  });
});
