import { expect, test } from "vitest";
import { modeOf } from "./mode.ts";

const request = (changes: Partial<Parameters<typeof modeOf>[0]>) =>
  modeOf({ host: "b", mode: "draining", reason: "new disk", deadlineMs: 0, ...changes }, 1_000);

test("a mode has its reason, its time and, for those that give up what they have, its end", () => {
  expect(request({})).toEqual({ mode: "draining", reason: "new disk", atMs: 1_000 });
  expect(request({ deadlineMs: 500 })).toEqual({
    ...{ mode: "draining", reason: "new disk", atMs: 1_000, deadlineMs: 1_500 },
  });
  expect(request({ mode: "cordoned", deadlineMs: 500 })).toEqual({
    ...{ mode: "cordoned", reason: "new disk", atMs: 1_000 },
  });
  expect(request({ mode: "active", reason: "" })).toEqual({ mode: "active", reason: "", atMs: 1_000 });
});

test("a mode that there is not, and one without a reason, are refused", () => {
  expect(() => request({ mode: "drained" })).toThrow(
    expect.objectContaining({
      reason: "HOST_MODE_INVALID",
      message: '"drained" is no mode for host b: it is one of active, cordoned, draining, maintenance.',
    }),
  );
  expect(() => request({ mode: "cordoned", reason: " " })).toThrow(
    expect.objectContaining({
      reason: "HOST_REASON_MISSING",
      message: "Host b needs a reason to be cordoned: whoever wonders about it later is told.",
    }),
  );
});
