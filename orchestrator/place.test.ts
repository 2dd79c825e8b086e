import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type PlaceableHost, place } from "./place.ts";

const gib = 2 ** 30;

function host(name: string, over: Partial<PlaceableHost> = {}): PlaceableHost {
  return { name, cpu: 4, memory: 8 * gib, gpu: 0, labels: {}, used: { cpu: 0, memory: 0, gpu: 0 }, ...over };
}

const small = { cpu: 0.5, memory: gib / 4, gpu: 0, labels: {} };

describe("place", () => {
  test("prefers the fuller host that still fits", () => {
    const busy = host("b", { used: { cpu: 2, memory: 4 * gib, gpu: 0 } });
    expect(place(small, [host("a"), busy])).toEqual({ host: "b" });
  });

  test("breaks ties by name, whatever the order", () => {
    expect(place(small, [host("b"), host("a")])).toEqual({ host: "a" });
  });

  test("says of each host why it does not fit", () => {
    const hosts = [
      host("cpu", { used: { cpu: 3.75, memory: 0, gpu: 0 } }),
      host("memory", { used: { cpu: 0, memory: 8 * gib - 2 ** 20, gpu: 0 } }),
    ];
    expect(place(small, hosts).reason).toBe(
      "no host fits: cpu has 0.25 of 4 cores free, 0.5 needed; memory has 1 of 8192 MiB free, 256 MiB needed",
    );
    expect(place({ ...small, gpu: 1 }, [host("a")]).reason).toContain("a has 0 of 0 GPUs free, 1 needed");
    expect(place({ ...small, labels: { disk: "ssd" } }, [host("a")]).reason).toContain(
      "a lacks the label disk=ssd",
    );
  });

  test("says what to do when there is no host at all", () => {
    expect(place(small, []).reason).toContain('start an agent with "rouse agent"');
  });

  test("never goes over a host's capacity", () => {
    const needs = fc.record({
      cpu: fc.integer({ min: 1, max: 40 }).map((tenths) => tenths / 10),
      memory: fc.integer({ min: 32, max: 4096 }).map((mebi) => mebi * 2 ** 20),
      gpu: fc.integer({ min: 0, max: 2 }),
      labels: fc.constant({}),
    });
    fc.assert(
      fc.property(fc.array(needs, { maxLength: 60 }), (instances) => {
        const used = new Map(["a", "b", "c"].map((name) => [name, { cpu: 0, memory: 0, gpu: 0 }]));
        const hosts = () => [...used].map(([name, u]) => host(name, { gpu: 2, used: u }));
        for (const instance of instances) {
          const placed = place(instance, hosts()).host;
          const now = placed === undefined ? undefined : used.get(placed);
          if (placed === undefined || now === undefined) continue;
          used.set(placed, {
            cpu: now.cpu + instance.cpu,
            memory: now.memory + instance.memory,
            gpu: now.gpu + instance.gpu,
          });
        }
        for (const u of used.values()) {
          expect(u.cpu).toBeLessThanOrEqual(4 + 1e-6);
          expect(u.memory).toBeLessThanOrEqual(8 * gib);
          expect(u.gpu).toBeLessThanOrEqual(2);
        }
      }),
    );
  });
});
