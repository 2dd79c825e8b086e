import { expect, test } from "vitest";
import { doubtful, Ejections, type Left } from "./ejections.ts";

const version = { service: "a.v1.A", version: "1.0.0" };
const address = "10.0.0.1:1";
const told = { ...version, address, agoMs: [20_000, 0], outForMs: 15_000, why: "after 5 errors in a row" };
const NOW = 1_000_000;

test("an Envoy leaves an instance out until it says otherwise, or the time is over", () => {
  const ejections = new Ejections();
  expect(ejections.heard("x", [told], NOW)).toEqual([version]);
  expect(ejections.of(version, address, 0, NOW)).toEqual([
    { host: "x", times: 2, why: told.why, sinceMs: NOW, untilMs: NOW + 15_000 },
  ]);
  expect(ejections.of(version, "10.0.0.1:2", 0, NOW)).toEqual([]);
  expect(ejections.of(version, address, 0, NOW + 15_000)).toEqual([]);
  ejections.heard("x", [{ ...told, outForMs: 0 }], NOW + 1);
  expect(ejections.of(version, address, 0, NOW + 2)).toEqual([]);
});

test("a new stream tells all again, and nothing counts twice", () => {
  const ejections = new Ejections();
  for (const afterMs of [0, 1_000])
    ejections.heard("x", [{ ...told, agoMs: told.agoMs.map((ago) => ago + afterMs) }], NOW + afterMs);
  expect(ejections.of(version, address, 0, NOW + 1_000)).toMatchObject([{ times: 2 }]);
});

test("what was before is forgiven", () => {
  const ejections = new Ejections();
  ejections.heard("x", [told], NOW);
  ejections.heard("y", [{ ...told, agoMs: [10] }], NOW);
  expect(ejections.of(version, address, NOW - 1_000, NOW)).toMatchObject([
    { host: "x", times: 1 },
    { host: "y", times: 1 },
  ]);
  expect(ejections.of(version, address, NOW, NOW)).toEqual([]);
  ejections.reset();
  expect(ejections.of(version, address, 0, NOW)).toEqual([]);
});

/** "xa1": the Envoy of host x leaves out an instance of version a on host 1. */
const lefts = (text: string): Left[] =>
  text
    .split(" ")
    .filter((word) => word !== "")
    .map(([host = "", of = "", instanceHost = ""]) => ({
      host,
      version: of,
      instanceHost,
      address: `${of}${instanceHost}`,
    }));

test.each([
  ["nobody", "", ""],
  ["one instance", "xa1", ""],
  ["many versions on one host, which may be bad", "xa1 xb1 xc1", ""],
  ["one version on many hosts, which may be bad", "xa1 xa2 xa3", ""],
  ["many versions on several hosts: its own network", "xa1 xb2 xc1", "x"],
  ["others say the same", "xa1 xb2 xc1 ya1 yb2 yc1", ""],
  ["another says the same of one, and enough are left", "xa1 xb2 xc1 xd2 ya1", "x"],
  ["what runs beside it needs no network", "xax xbx xc1", ""],
])("%s", (_, text, hosts) => {
  expect([...doubtful(lefts(text))].join(" ")).toBe(hosts);
});
