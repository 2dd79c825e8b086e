import { expect, test } from "vitest";
import { NOTHING_OPEN, noteOf, SETTLED_MS } from "./note.ts";

const open = { ...NOTHING_OPEN, orders: { open: 1, ids: ["a"] } };

test("a version is held by a pin until all is counted that was begun with it", () => {
  expect(noteOf("p", 0, undefined)).toEqual({ pin: "p", ...NOTHING_OPEN });
  expect(noteOf("p", SETTLED_MS, undefined)).toEqual({ pin: "p", ...NOTHING_OPEN });
  expect(noteOf("p", SETTLED_MS + 1, undefined)).toBeUndefined();
});

test("a version is held by what is open", () => {
  expect(noteOf("p", 0, open)).toEqual({ pin: "p", ...open });
  expect(noteOf("p", SETTLED_MS + 1, open)).toEqual({ pin: "", ...open });
  expect(noteOf(undefined, 0, open)).toEqual({ pin: "", ...open });
  expect(noteOf("", 0, undefined)).toBeUndefined();
  expect(noteOf(undefined, 0, undefined)).toBeUndefined();
});
