import { beforeEach, expect, test } from "vitest";
import type { LeftOut } from "#proto/rouse/agent/v1/agent.ts";
import type { OutlierEvent } from "../../mesh-config/outlier-log.ts";
import { Outliers } from "./outliers.ts";

let nowMs: number;
let outliers: Outliers;
let told: readonly LeftOut[];
beforeEach(() => {
  nowMs = 1_000_000;
  outliers = new Outliers(() => nowMs);
  told = [];
});

const name = { service: "a.v1.A", version: "1.0.0", address: "127.0.0.1:1" };
const out: OutlierEvent = { ...name, isOut: true, forMs: 15_000, why: "after 5 errors in a row", atMs: 0 };
const back: OutlierEvent = { ...out, isOut: false, forMs: 0, why: "" };
const note = (event: OutlierEvent, agoMs = 0) => outliers.note([{ event, agoMs }]);
const watch = () => outliers.watch((changed) => (told = changed));

test("tells each change, and all to who comes later", () => {
  watch();
  expect(told).toEqual([]);
  note(out);
  expect(told).toEqual([{ ...name, agoMs: [0], outForMs: 15_000, why: out.why }]);
  nowMs += 10_000;
  note(back);
  expect(told).toEqual([{ ...name, agoMs: [10_000], outForMs: 0, why: out.why }]);
  nowMs += 1_000;
  note(out);
  expect(told).toMatchObject([{ agoMs: [11_000, 0], outForMs: 15_000 }]);
  nowMs += 1_000;
  told = [];
  watch();
  expect(told).toMatchObject([{ agoMs: [12_000, 1_000], outForMs: 14_000 }]);
});

test("what was read late counts from when it was", () => {
  note(out, 5_000);
  watch();
  expect(told).toMatchObject([{ agoMs: [5_000], outForMs: 10_000 }]);
});

test("an Envoy that never says that it calls again was ended", () => {
  note(out);
  nowMs += 15_001;
  watch();
  expect(told).toMatchObject([{ outForMs: 0 }]);
});

test("what is long ago is forgotten, and that it is called again alone says nothing", () => {
  note(out);
  nowMs += 120_001;
  note(out, 130_000);
  note({ ...back, address: "127.0.0.1:2" });
  watch();
  expect(told).toEqual([]);
});
