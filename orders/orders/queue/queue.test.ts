import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PlaceableHost } from "../../../orchestrator/placement/host.ts";
import type { Needs } from "../../../orchestrator/placement/needs.ts";
import { AGE_MS, assign, type Candidate, levelOf, RESERVE_MS, type Taken } from "./queue.ts";

const MINUTE = 60_000;
const GIB = 2 ** 30;

function room(cpu: number): Needs {
  return { cpu, memory: cpu * GIB, gpu: 0, labels: {}, service: "s.v1.S", version: "1.0.0" };
}

function host(name: string, cpu: number, used = 0): PlaceableHost {
  return {
    name,
    cpu,
    memory: cpu * GIB,
    gpu: 0,
    labels: {},
    used: { cpu: used, memory: used * GIB, gpu: 0 },
  };
}

function candidate(sequence: number, more: Partial<Candidate> = {}): Candidate {
  return { key: `k${sequence}`, priority: 5, provider: "a", sequence, sinceMs: 0, room: room(1), ...more };
}

function keys(
  candidates: readonly Candidate[],
  hosts: readonly PlaceableHost[],
  nowMs = 0,
  running: Taken[] = [],
) {
  return assign({ candidates, running, hosts, mostCalls: 2, nowMs }).map(({ key }) => key);
}

describe("whose turn it is", () => {
  test("is told by priority, then by what the provider has, then by age", () => {
    const running = [{ provider: "a", room: room(1) }];
    const candidates = [
      candidate(1),
      candidate(2),
      candidate(3, { provider: "b" }),
      candidate(4, { priority: 9 }),
    ];
    expect(keys(candidates, [host("h", 9, 1)], 0, running)).toEqual(["k4", "k3", "k1", "k2"]);
  });

  test("comes for a low priority as well, with time", () => {
    const candidates = [candidate(1, { priority: 0 }), candidate(2, { priority: 9, sinceMs: 10 * AGE_MS })];
    expect(keys(candidates, [host("h", 1)], 10 * AGE_MS)).toEqual(["k1"]);
  });

  test("passes over what does not fit, until that has waited for a minute", () => {
    const candidates = [candidate(1, { room: room(4) }), candidate(2, { sinceMs: 2 * MINUTE })];
    const hosts = [host("h", 4, 1)];
    expect(keys(candidates, hosts, RESERVE_MS - 1)).toEqual(["k2"]);
    expect(keys(candidates, hosts, RESERVE_MS)).toEqual([]);
    // Where there is another host, that goes on.
    expect(keys(candidates, [...hosts, host("i", 1)], RESERVE_MS)).toEqual(["k2"]);
  });

  test("is not held up by what no host could ever take", () => {
    const candidates = [candidate(1, { room: room(40) }), candidate(2)];
    expect(keys(candidates, [host("h", 4)], 5 * RESERVE_MS)).toEqual(["k2"]);
  });

  test("of calls comes as others end, whatever the hosts have", () => {
    const call = { room: "call" } as const;
    const candidates = [candidate(1, call), candidate(2, call), candidate(3, call)];
    expect(keys(candidates, [])).toEqual(["k1", "k2"]);
    expect(keys(candidates, [], 0, [{ provider: "z", room: "call" }])).toEqual(["k1"]);
  });
});

const anyHost = fc
  .record({ cpu: fc.integer({ min: 1, max: 8 }), used: fc.integer({ min: 0, max: 8 }) })
  .map(({ cpu, used }) => ({ cpu, used: Math.min(cpu, used) }));
const anyCandidate = fc.record({
  priority: fc.integer({ min: 0, max: 9 }),
  provider: fc.constantFrom("a", "b", "c"),
  sinceMs: fc.integer({ min: 0, max: 30 * MINUTE }),
  cpu: fc.constantFrom<number | "call">(1, 2, 5, "call"),
});
const situations = fc.record({
  hosts: fc.array(anyHost, { maxLength: 3 }),
  candidates: fc.array(anyCandidate, { maxLength: 12 }),
});

function situation({
  hosts,
  candidates,
}: {
  hosts: { cpu: number; used: number }[];
  candidates: { priority: number; provider: string; sinceMs: number; cpu: number | "call" }[];
}) {
  return {
    hosts: hosts.map(({ cpu, used }, at) => host(`h${at}`, cpu, used)),
    candidates: candidates.map(({ cpu, ...rest }, at) =>
      candidate(at, { ...rest, room: cpu === "call" ? "call" : room(cpu) }),
    ),
    running: [],
    mostCalls: 3,
    nowMs: 30 * MINUTE,
  };
}

describe("in any situation", () => {
  test("no host gets more than it has, and nobody has two turns", () => {
    fc.assert(
      fc.property(situations, (drawn) => {
        const now = situation(drawn);
        const assigned = assign(now);
        expect(new Set(assigned.map(({ key }) => key)).size).toBe(assigned.length);
        for (const { name, cpu, used } of now.hosts) {
          const here = assigned
            .filter((one) => one.host === name)
            .map(({ key }) => roomOf(now.candidates, key));
          expect(used.cpu + here.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(cpu);
        }
        expect(assigned.filter((one) => one.host === undefined).length).toBeLessThanOrEqual(now.mostCalls);
      }),
    );
  });

  test("nobody is overtaken by one of the same provider and needs that came later and is not more urgent", () => {
    fc.assert(
      fc.property(situations, (drawn) => {
        const now = situation(drawn);
        const chosen = new Set(assign(now).map(({ key }) => key));
        for (const late of now.candidates.filter(({ key }) => chosen.has(key)))
          for (const early of now.candidates) {
            const alike =
              early.provider === late.provider && JSON.stringify(early.room) === JSON.stringify(late.room);
            if (!alike || early.sequence > late.sequence) continue;
            if (levelOf(early, now.nowMs) < levelOf(late, now.nowMs)) continue;
            expect(chosen.has(early.key)).toBe(true);
          }
      }),
    );
  });

  test("two providers with work enough get the same, whatever one of them sends first", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 16 }),
        fc.array(fc.boolean(), { minLength: 32, maxLength: 60 }),
        (cores, whose) => {
          const candidates = whose.map((first, at) => candidate(at, { provider: first ? "a" : "b" }));
          const has = (provider: string) => candidates.filter((one) => one.provider === provider).length;
          const assigned = new Set(keys(candidates, [host("h", cores)]));
          const got = (provider: string) =>
            candidates.filter((one) => one.provider === provider && assigned.has(one.key)).length;
          expect(got("a") + got("b")).toBe(cores);
          const fair = Math.floor(cores / 2);
          for (const provider of ["a", "b"])
            expect(got(provider)).toBeGreaterThanOrEqual(Math.min(fair, has(provider)));
        },
      ),
    );
  });
});

function roomOf(candidates: readonly Candidate[], key: string): number {
  const found = candidates.find((one) => one.key === key)?.room;
  return found === undefined || found === "call" ? 0 : found.cpu;
}

describe("nobody starves", () => {
  const STEP_MS = 5 * MINUTE;

  /** Three tasks come in each step that are more urgent and smaller, more than the hosts can do; each runs for some steps. */
  test("though more urgent and smaller tasks come without end", () => {
    const arrival = fc.record({
      cpu: fc.integer({ min: 1, max: 2 }),
      provider: fc.constantFrom("a", "b", "c"),
      priority: fc.integer({ min: 5, max: 9 }),
      steps: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(arrival, { minLength: 4, maxLength: 10 }), (pattern) => {
        const sizes = [4, 3];
        const victim = candidate(0, { key: "victim", priority: 0, provider: "v", room: room(4) });
        let waiting: (Candidate & { steps: number })[] = [{ ...victim, steps: 1 }];
        let running: (Candidate & { steps: number; host: string; endMs: number })[] = [];
        let sequence = 1;
        // In ten ages it stands before all that comes later. What came before is 60 tasks of at most 4 steps and 2 cores, for which there
        // are 3 cores at least.
        const limitMs = 10 * AGE_MS + (60 * 4 * 2 * STEP_MS) / 3;
        for (let nowMs = 0; nowMs < limitMs; nowMs += STEP_MS) {
          running = running.filter(({ endMs }) => endMs > nowMs);
          for (let n = 0; n < 3; n++) {
            const drawn = pattern[sequence % pattern.length] as (typeof pattern)[number];
            waiting.push({
              ...candidate(sequence, { ...drawn, room: room(drawn.cpu), sinceMs: nowMs }),
              steps: drawn.steps,
            });
            sequence++;
          }
          const hosts = sizes.map((cpu, at) => {
            const here = running.filter((one) => one.host === `h${at}`);
            return host(
              `h${at}`,
              cpu,
              here.reduce((sum, { room }) => sum + (room === "call" ? 0 : room.cpu), 0),
            );
          });
          for (const { key, host: on } of assign({
            candidates: waiting,
            running,
            hosts,
            mostCalls: 1,
            nowMs,
          })) {
            if (key === "victim") return;
            const task = waiting.find((one) => one.key === key);
            if (task !== undefined && on !== undefined)
              running.push({ ...task, host: on, endMs: nowMs + task.steps * STEP_MS });
          }
          const begun = new Set(running.map(({ key }) => key));
          waiting = waiting.filter(({ key }) => !begun.has(key));
        }
        expect.unreachable("the large task of low priority never had its turn");
      }),
      { numRuns: 15 },
    );
  });
});
