import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { whatWouldHelp } from "./changes.ts";
import { fits, occupancy } from "./filter.ts";
import { attribute, hasLabel, type PlaceableHost } from "./host.ts";
import type { Needs } from "./needs.ts";
import { place } from "./place.ts";
import { obey } from "./testing/obey.ts";
import { type Arrival, anyArrivals, anyHosts, Ledger } from "./testing/random.ts";

/** Places all arrivals one after the other; those that fit nowhere are left out. */
function settle(ledger: Ledger, arrivals: readonly Arrival[]): void {
  for (const arrival of arrivals) {
    if (arrival.kind === "leave") ledger.leave(arrival.which);
    else {
      const { host } = place(arrival.needs, ledger.hosts());
      if (host !== undefined) ledger.add(host, arrival.needs);
    }
  }
}

describe("whatever comes and goes,", () => {
  test("no host gives away more than it has", () => {
    fc.assert(
      fc.property(anyHosts(), anyArrivals(), (facts, arrivals) => {
        const ledger = new Ledger(facts);
        settle(ledger, arrivals);
        for (const { used, ...host } of ledger.hosts()) {
          expect(used.cpu).toBeLessThanOrEqual(host.cpu + 1e-6);
          expect(used.memory).toBeLessThanOrEqual(host.memory);
          expect(used.gpu).toBeLessThanOrEqual(host.gpu);
        }
      }),
    );
  });

  test("the same state gives the same host, in any order of hosts", () => {
    fc.assert(
      fc.property(anyHosts(), anyArrivals(), fc.integer(), (facts, arrivals, seed) => {
        const ledger = new Ledger(facts);
        const hosts = () => shuffle(ledger.hosts(), seed);
        for (const arrival of arrivals) {
          if (arrival.kind === "leave") {
            ledger.leave(arrival.which);
            continue;
          }
          const placement = place(arrival.needs, ledger.hosts());
          expect(place(arrival.needs, hosts())).toEqual(placement);
          if (placement.host !== undefined) ledger.add(placement.host, arrival.needs);
        }
      }),
    );
  });

  test("every filter holds: modes, labels, what is kept apart or near, the limit of cost", () => {
    fc.assert(
      fc.property(anyHosts(), anyArrivals(), (facts, arrivals) => {
        const ledger = new Ledger(facts);
        for (const arrival of arrivals) {
          if (arrival.kind === "leave") {
            ledger.leave(arrival.which);
            continue;
          }
          const { needs } = arrival;
          const { host: name } = place(needs, ledger.hosts());
          const host = ledger.hosts().find((one) => one.name === name);
          if (host === undefined) continue;
          expect(host.mode ?? "active").toBe("active");
          for (const [label, value] of Object.entries(needs.labels)) expect(host.labels[label]).toBe(value);
          for (const { over, strict } of needs.rules?.spread ?? []) {
            const same = ledger.of(needs).map((one) => attribute(one, over));
            if (strict) expect(same).not.toContain(attribute(host, over));
          }
          for (const { strict, service = "" } of needs.rules?.antiAffinity ?? [])
            if (strict) expect(host.services?.has(service) ?? false).toBe(false);
          for (const { strict, service, label } of needs.rules?.affinity ?? []) {
            if (strict && service !== undefined) expect(host.services?.has(service)).toBe(true);
            if (strict && label !== undefined) expect(hasLabel(host, label)).toBe(true);
          }
          ledger.add(host.name, needs);
        }
      }),
    );
  });

  test("what no host takes really fits nowhere, and what a refusal says would help does help", () => {
    fc.assert(
      fc.property(anyHosts(), anyArrivals(), (facts, arrivals) => {
        const ledger = new Ledger(facts);
        for (const arrival of arrivals) {
          if (arrival.kind === "leave") {
            ledger.leave(arrival.which);
            continue;
          }
          const hosts = ledger.hosts();
          const placement = place(arrival.needs, hosts);
          const taken = occupancy(arrival.needs, hosts);
          expect(hosts.some((host) => fits(arrival.needs, host, taken))).toBe(placement.host !== undefined);
          if (placement.host === undefined && placement.empty !== true) {
            expect(placement.reason).toMatch(/^no host fits: .+\. What would help: .+$/);
            const changes = whatWouldHelp(arrival.needs, hosts);
            expect(placement.reason?.endsWith(changes.join(", or "))).toBe(true);
            for (const change of changes) {
              if (change.startsWith("loosen the contract")) {
                for (const host of anyNewHosts(arrival.needs))
                  expect(fits(arrival.needs, host, occupancy(arrival.needs, [...hosts, host]))).toBe(false);
                continue;
              }
              const after = obey(change, { needs: arrival.needs, hosts });
              expect([change, place(after.needs, after.hosts).reason]).toEqual([change, undefined]);
            }
          }
          if (placement.host !== undefined) ledger.add(placement.host, arrival.needs);
        }
      }),
    );
  });

  test("nothing makes what is placed unfit for its host, so that it would have to move", () => {
    fc.assert(
      fc.property(anyHosts(), anyArrivals(), (facts, arrivals) => {
        const ledger = new Ledger(facts);
        settle(ledger, arrivals);
        for (const { host: name, needs, hosts } of ledger.withoutOne()) {
          // The service that it must be near may have left.
          if (needs.rules?.affinity.some(({ strict, service }) => strict && service !== undefined)) continue;
          const host = hosts.find((one) => one.name === name);
          expect(host !== undefined && fits(needs, host, occupancy(needs, hosts))).toBe(true);
        }
      }),
    );
  });
});

/** Hosts of every kind that matters here, with room for anything and free of charge. */
function anyNewHosts({ service, rules }: Needs): PlaceableHost[] {
  const started = (rules?.affinity ?? []).flatMap((rule) =>
    rule.strict && rule.service !== undefined && rule.service !== service ? [[rule.service, 1] as const] : [],
  );
  const room = { cpu: 100, memory: 2 ** 40, gpu: 8, used: { cpu: 0, memory: 0, gpu: 0 }, runtime: "docker" };
  return ["east", "west", "other"].flatMap((zone) =>
    ["ssd", "hdd", "other"].map((disk) => ({
      ...room,
      name: "new",
      zone,
      labels: { zone, disk },
      services: new Map(started),
    })),
  );
}

function shuffle<T>(items: readonly T[], seed: number): T[] {
  let state = seed | 0;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
  return items
    .map((item) => ({ item, at: next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
