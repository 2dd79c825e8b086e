import { Feature } from "@rouse-examples/genome/messages";
import { expect, test } from "vitest";
import { lanesOf } from "./lanes.ts";
import { formatLocation, parseLocation } from "./location.ts";
import { Names } from "./search.ts";
import { filterOf } from "./types.ts";
import { basesOf, pan, ticks, within, zoom } from "./view.ts";

const view = { length: 1_000, start: 100, span: 200 };

test("a view stays within its reference, however one zooms and pans", () => {
  expect(zoom(view, 0.5, 0)).toEqual({ length: 1_000, start: 100, span: 100 });
  expect(zoom(view, 0.5, 1)).toEqual({ length: 1_000, start: 200, span: 100 });
  expect(zoom(view, 100)).toEqual({ length: 1_000, start: 0, span: 1_000 });
  expect(zoom(view, 0.001).span).toBe(20);
  expect(pan(view, -9)).toEqual({ length: 1_000, start: 0, span: 200 });
  expect(pan(view, 9)).toEqual({ length: 1_000, start: 800, span: 200 });
  expect(within({ length: 5, start: 3, span: 9 })).toEqual({ length: 5, start: 0, span: 5 });
});

test("the bases of a view are those of which something is seen", () => {
  expect(basesOf(view)).toEqual({ start: 101, end: 300 });
  expect(basesOf({ length: 1_000, start: 100.5, span: 1.2 })).toEqual({ start: 101, end: 102 });
});

test("the ruler's marks are round and far enough apart", () => {
  expect(ticks(view, 400, 90)).toEqual([150, 200, 250, 300]);
  expect(ticks({ length: 48_502, start: 0, span: 48_502 }, 1_000, 90)).toEqual([
    5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 35_000, 40_000, 45_000,
  ]);
  expect(ticks({ length: 48_502, start: 0, span: 20 }, 1_000, 10)).toHaveLength(20);
});

const references = [
  { name: "chr1", length: 10_000 },
  { name: "HLA:01", length: 500 },
];
const [chr1 = { name: "", length: 0 }] = references;

test.each([
  ["chr1", { kind: "place", view: { length: 10_000, start: 0, span: 10_000 } }],
  ["chr1:1,001-2,000", { kind: "place", view: { length: 10_000, start: 1_000, span: 1_000 } }],
  ["1001..2000", { kind: "place", view: { length: 10_000, start: 1_000, span: 1_000 } }],
  ["HLA:01:1-500", { kind: "place", view: { length: 500, start: 0, span: 500 } }],
  ["chr1:500", { kind: "place", view: { length: 10_000, start: 449, span: 101 } }],
  [" cI ", { kind: "name", name: "cI" }],
  ["", { kind: "error", message: "Type a place such as chr1:1-1000, or a gene." }],
  ["chr9:1-2", { kind: "error", message: 'There is no reference "chr9"; there is chr1, HLA:01.' }],
  ["chr1:1-10001", { kind: "error", message: "chr1 goes from 1 to 10000; 1-10001 is not a part of it." }],
  ["chr1:9-8", { kind: "error", message: "chr1 goes from 1 to 10000; 9-8 is not a part of it." }],
])("the location %j", (text, expected) => {
  expect(parseLocation(text, references, chr1)).toMatchObject(expected);
});

test("a location is written as it is read", () => {
  expect(formatLocation("chr1", 1_000, 2_000)).toBe("chr1:1,000-2,000");
});

test("features that overlap go to lanes of their own", () => {
  const items = [
    { start: 1, end: 10 },
    { start: 5, end: 20 },
    { start: 11, end: 12 },
    { start: 21, end: 22 },
  ];
  expect(lanesOf(items, () => 0)).toEqual([0, 1, 2, 0]);
  expect(lanesOf(items, () => 30)).toEqual([0, 1, 2, 3]);
});

test("names are found as written, whatever the case, and by their only beginning", () => {
  const names = new Names();
  const found = (name: string) => {
    const result = names.find(name);
    return result.kind === "none" ? result.message : result.feature.name;
  };
  names.add(["cI", "cII", "CI", "ninA", "ninB", "bor", "__proto__"].map((name) => Feature.create({ name })));
  expect(["cI", "CI", "cii", "bo", "__PROTO__"].map(found)).toEqual(["cI", "CI", "cII", "bor", "__proto__"]);
  expect(found("ci")).toBe('No gene is called "ci"; there is cI, CI.');
  expect(found("nin")).toBe('No gene is called "nin"; there is ninA, ninB.');
  expect(found("o")).toBe('No gene is called "o"; there is bor, __proto__.');
  expect(found("lacZ")).toBe('No gene "lacZ" in what is loaded; zoom out, or type a place.');
});

test("types of features: what is asked for, and what is shown", () => {
  const genes = filterOf(new Set(["genes"]));
  expect(genes.types).toEqual(["gene", "pseudogene"]);
  expect(["gene", "CDS", "region"].filter(genes.shows)).toEqual(["gene"]);
  const more = filterOf(new Set(["genes", "others"]));
  // What has no choice of its own can only be had by asking for all.
  expect(more.types).toEqual([]);
  expect(["gene", "CDS", "exon", "region"].filter(more.shows)).toEqual(["gene", "exon"]);
  expect(["gene", "exon"].filter(filterOf(new Set()).shows)).toEqual([]);
});
