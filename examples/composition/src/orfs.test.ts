import { expect, test } from "vitest";
import { findOrfs } from "./orfs.ts";
import { translate } from "./translate.ts";

test("finds the longest frame before a stop, on both strands, where it lies", () => {
  const forward = "CC" + "ATGAAAATGTGCTAA" + "C";
  expect(findOrfs(forward, 101, 3)).toEqual([{ start: 103, end: 117, reverse: false, protein: "MKMC" }]);
  const reverse = "G" + "TTAGCACATTTTCAT" + "GG";
  expect(findOrfs(reverse, 101, 3)).toEqual([{ start: 102, end: 116, reverse: true, protein: "MKMC" }]);
  expect(findOrfs(forward, 101, 5)).toEqual([]);
});

test("translates by table 11, with M for any start and X for what is unknown", () => {
  expect(translate("GTGTGGNAACGT")).toBe("MWXR");
  expect(translate("")).toBe("");
});
