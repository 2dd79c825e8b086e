import fc from "fast-check";
import { expect, test } from "vitest";
import { HostIndex } from "./host-index.ts";
import type { Occupant } from "./host-rows.ts";
import { type Needs, repelledBy, versionOf } from "./needs.ts";
import { place } from "./place.ts";
import { anyArrivals, anyHosts, Ledger } from "./testing/random.ts";

function occupant(needs: Needs): Occupant {
  const { cpu, memory, gpu, service = "", rules } = needs;
  return {
    cpu,
    memory,
    gpu,
    service,
    version: versionOf(needs) ?? "",
    repels: repelledBy(rules),
    stays: true,
  };
}

test("an index that is kept up to date chooses as a look at all hosts does", () => {
  let placed = 0;
  fc.assert(
    fc.property(anyHosts(), anyArrivals(), (facts, arrivals) => {
      const ledger = new Ledger(facts);
      const index = new HostIndex(facts);
      for (const arrival of arrivals) {
        if (arrival.kind === "leave") {
          const left = ledger.leave(arrival.which);
          if (left !== undefined) index.change(left.host, occupant(left.needs), -1);
          continue;
        }
        const { needs } = arrival;
        const { host } = place(needs, ledger.hosts());
        expect(index.find(needs)?.host.name).toBe(host);
        expect(place(needs, index.hosts()).host).toBe(host);
        if (host === undefined) continue;
        placed += 1;
        ledger.add(host, needs);
        index.change(host, occupant(needs), 1);
      }
    }),
  );
  expect(placed).toBeGreaterThan(100);
});

test("one that leaves takes room, but nobody keeps apart from it", () => {
  const host = { name: "a", cpu: 1, memory: 2 ** 30, gpu: 0, labels: {} };
  const index = new HostIndex([host]);
  const needs = { cpu: 0.5, memory: 2 ** 28, gpu: 0, labels: {}, service: "a.v1.A", version: "1.0.0" };
  const apart = { spread: [{ over: "host", strict: true, weight: 1 }], affinity: [], antiAffinity: [] };
  index.change("a", { ...occupant(needs), stays: false }, 1);
  expect(index.find({ ...needs, rules: apart })?.host.name).toBe("a");
  expect(index.find({ ...needs, cpu: 0.6 })).toBeUndefined();
  index.change("elsewhere", occupant(needs), 1);
  expect(index.hosts()[0]?.used).toEqual({ cpu: 0.5, memory: 2 ** 28, gpu: 0 });
});
