import { expect, test } from "vitest";
import { Demand } from "./demand.ts";

const target = { service: "a.v1.A", version: "1.0.0", generation: 3 };

test("a mesh-config without Envoys neither blocks nor passes for silence", () => {
  const demand = new Demand();
  demand.connect("one", "one");
  demand.connect("two", "two");
  expect(demand.loadsUntil()).toBe(0);
  demand.report("two", [], 2_000, 0);
  expect(demand.loadsUntil()).toBe(0);
  demand.report("one", [], 1_000, 1);
  expect(demand.loadsUntil()).toBe(1_000);
  // Its Envoy went over to nobody knows where.
  demand.report("one", [], 3_000, 0);
  expect(demand.loadsUntil()).toBe(0);
});

test("a generation has drained when all mesh-configs say so, and one that gets an Envoy takes it back", () => {
  const demand = new Demand();
  expect(demand.isDrained(target)).toBe(false);
  demand.connect("one", "one");
  demand.connect("two", "two");
  demand.markDrained("two", target);
  expect(demand.isDrained(target)).toBe(false);
  demand.markDrained("one", target);
  expect(demand.isDrained(target)).toBe(true);
  demand.markReopened("two", target);
  expect(demand.isDrained(target)).toBe(false);
});

test("the Envoys of a mesh-config that is away count until they are with another one", () => {
  const demand = new Demand();
  demand.connect("one/1", "one");
  demand.connect("two/2", "two");
  demand.want("one/1", target, 500);
  demand.report("one/1", [{ target, inProgress: 1, issued: 1, endpoints: [] }], 1_000, 1);
  demand.report("two/2", [], 1_000, 1);
  demand.markDrained("two/2", target);
  expect(demand.lose("one/1")).toBe(true);
  demand.report("two/2", [], 9_000, 1);
  expect(demand.isDrained(target)).toBe(false);
  expect(demand.loadsUntil()).toBe(1_000);
  expect(demand.wantedSince(target)).toBe(500);
  // Its load comes again from where its Envoys are: it must not count twice.
  expect(demand.load(target).inProgress).toBe(0);
  demand.disconnect("one/1");
  expect(demand.isDrained(target)).toBe(true);
  expect(demand.loadsUntil()).toBe(9_000);
});

test("a mesh-config that comes back says all again, and what it said before is forgotten", () => {
  const demand = new Demand();
  demand.connect("one/1", "one");
  demand.report("one/1", [], 1_000, 2);
  demand.lose("one/1");
  demand.connect("one/2", "one");
  demand.report("one/2", [], 4_000, 2);
  expect(demand.loadsUntil()).toBe(4_000);
});

test("a mesh-config that had no Envoy is not missed", () => {
  const demand = new Demand();
  demand.connect("one", "one");
  demand.connect("two", "two");
  demand.report("one", [], 1_000, 1);
  demand.report("two", [], 1_000, 0);
  expect(demand.lose("two")).toBe(false);
  demand.markDrained("one", target);
  expect(demand.isDrained(target)).toBe(true);
});
