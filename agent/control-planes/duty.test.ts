import { expect, test } from "vitest";
import type { ControlPlane } from "../../registry/control-planes.ts";
import { duties, missing } from "./duty.ts";
import { preferred } from "./order.ts";

const slots = new Map(["one", "two"].map((id) => [id, { host: `h-${id}`, flags: [] }]));

function plane(id: string, change: Partial<ControlPlane> = {}): ControlPlane {
  const address = `127.0.0.1:${id.length}`;
  return { id, address, host: `h-${id}`, slot: id, startedAtMs: 0, healthy: true, ...change };
}

function due(host: string, planes: readonly ControlPlane[], missingForMs: number) {
  const view = { slots, planes };
  const missingSinceMs = new Map([...missing(view)].map((slot) => [slot, 1_000]));
  const { slots: found, lookAgainMs } = duties({
    ...view,
    host,
    missingSinceMs,
    nowMs: 1_000 + missingForMs,
  });
  return { slots: [...found], waits: Number.isFinite(lookAgainMs) };
}

test("while all are well nobody has to do anything", () => {
  expect(due("h-one", [plane("one"), plane("two")], 60_000)).toEqual({ slots: [], waits: false });
});

test("its own host comes first, the others after it", () => {
  const planes = [plane("one"), plane("two", { healthy: false })];
  expect(due("h-two", planes, 2_000)).toEqual({ slots: [], waits: true });
  expect(due("h-two", planes, 3_000)).toEqual({ slots: ["two"], waits: false });
  expect(due("h-one", planes, 3_900)).toEqual({ slots: [], waits: true });
  expect(due("h-one", planes, 6_000)).toEqual({ slots: ["two"], waits: false });
});

test("one that is gone from Consul is missing as well", () => {
  expect(due("h-one", [plane("one")], 6_000).slots).toEqual(["two"]);
});

test("one spare is enough: its own agent keeps it, the others stay away", () => {
  const spare = plane("two~h-one", { slot: "two", host: "h-one" });
  const planes = [plane("one"), plane("two", { healthy: false }), spare];
  expect(due("h-one", planes, 60_000).slots).toEqual(["two"]);
  expect(due("h-three", planes, 60_000)).toEqual({ slots: [], waits: false });
  // It died with its host in turn.
  const dead = [plane("one"), { ...spare, healthy: false }];
  expect(due("h-three", dead, 60_000).slots).toEqual(["two"]);
});

test("it goes when the one that it stands in for is back", () => {
  const spare = plane("two~h-one", { slot: "two", host: "h-one" });
  expect(due("h-one", [plane("one"), plane("two"), spare], 60_000).slots).toEqual([]);
});

test("an Envoy prefers its own host's control plane, and one that is well to any that is not", () => {
  const planes = ["a", "bb", "ccc", "dddd"].map((id) => plane(id));
  expect(preferred(planes, "h-bb")[0]).toBe("127.0.0.1:2");
  const sick = planes.map((one) => (one.id === "bb" ? { ...one, healthy: false } : one));
  expect(preferred(sick, "h-bb").at(-1)).toBe("127.0.0.1:2");
  // Hosts without one of their own spread over all.
  const firsts = new Set(Array.from({ length: 50 }, (_, n) => preferred(planes, `x${n}`)[0]));
  expect(firsts.size).toBe(4);
  expect(preferred(planes, "x1")).toEqual(preferred(planes.toReversed(), "x1"));
});
