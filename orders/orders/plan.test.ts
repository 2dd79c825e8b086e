import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { next, type PlannedTask, type TaskState } from "./plan.ts";

function task(name: string, state: TaskState, ...needs: string[]): PlannedTask {
  return { name, state, needs };
}

describe("an order", () => {
  test("begins all tasks at once that need nothing", () => {
    expect(next([task("a", "waiting"), task("b", "waiting"), task("c", "waiting", "a", "b")])).toEqual({
      ready: ["a", "b"],
      skipped: [],
    });
  });

  test("begins a task when the last of its needs has succeeded", () => {
    expect(
      next([task("a", "succeeded"), task("b", "running"), task("c", "waiting", "a", "b")]).ready,
    ).toEqual([]);
    expect(
      next([task("a", "succeeded"), task("b", "succeeded"), task("c", "waiting", "a", "b")]).ready,
    ).toEqual(["c"]);
  });

  test("goes on with branches that do not need what failed, then has failed", () => {
    const tasks = [
      task("a", "failed"),
      task("b", "running"),
      task("c", "waiting", "a"),
      task("d", "waiting", "c"),
    ];
    expect(next(tasks)).toEqual({ ready: [], skipped: ["c", "d"] });
    expect(next([task("a", "failed"), task("b", "succeeded"), task("c", "skipped", "a")])).toEqual({
      ready: [],
      skipped: [],
      ended: "failed",
    });
  });
});

/** Tasks that need only earlier ones: any graph without cycle can be written so. */
const workflow = fc.array(
  fc.record({
    needs: fc.array(fc.nat(), { maxLength: 3 }),
    fails: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  { minLength: 1, maxLength: 12 },
);

describe("any workflow", () => {
  test("ends, runs each task at most once and after its needs, and skips exactly what needs a failure", () => {
    fc.assert(
      fc.property(workflow, fc.infiniteStream(fc.nat()), (specs, choices) => {
        const states = new Map<string, TaskState>();
        const specOf = new Map(
          specs.map(({ needs, fails }, at) => {
            const names = at === 0 ? [] : [...new Set(needs.map((need) => `t${need % at}`))];
            states.set(`t${at}`, "waiting");
            return [`t${at}`, { needs: names, fails: fails > 0.8 }];
          }),
        );
        const view = () =>
          [...specOf].map(([name, { needs }]) => ({ name, needs, state: states.get(name) ?? "waiting" }));
        const ran: string[] = [];
        const pick = choices[Symbol.iterator]();
        for (let step = 0; ; step++) {
          expect(step).toBeLessThan(specs.length * 2 + 2);
          const { ready, skipped, ended } = next(view());
          for (const name of skipped) states.set(name, "skipped");
          for (const name of ready) states.set(name, "running");
          if (ended !== undefined) {
            expect(ended).toBe(
              [...states.values()].every((state) => state === "succeeded") ? "succeeded" : "failed",
            );
            break;
          }
          const running = [...states].filter(([, state]) => state === "running").map(([name]) => name);
          // Whatever ends next.
          const name = running[(pick.next().value ?? 0) % running.length] ?? "";
          for (const need of specOf.get(name)?.needs ?? []) expect(states.get(need)).toBe("succeeded");
          ran.push(name);
          states.set(name, specOf.get(name)?.fails ? "failed" : "succeeded");
        }
        expect(new Set(ran).size).toBe(ran.length);
        for (const [name, { needs }] of specOf) {
          const lost = needs.some((need) => ["failed", "skipped"].includes(states.get(need) ?? ""));
          expect(states.get(name) === "skipped").toBe(lost);
        }
      }),
    );
  });

  test("is no less parallel than its data allow", () => {
    fc.assert(
      fc.property(workflow, (specs) => {
        const tasks = specs.map(({ needs }, at) =>
          task(`t${at}`, "waiting", ...(at === 0 ? [] : needs.map((need) => `t${need % at}`))),
        );
        // Rounds in which all that is ready ends at once: as many as the longest chain has tasks.
        const depth = new Map<string, number>();
        for (const { name, needs } of tasks)
          depth.set(name, 1 + Math.max(0, ...needs.map((need) => depth.get(need) ?? 0)));
        let now: readonly PlannedTask[] = tasks;
        let rounds = 0;
        for (;;) {
          const { ready, ended } = next(now);
          if (ended !== undefined) break;
          rounds++;
          now = now.map((one) => (ready.includes(one.name) ? { ...one, state: "succeeded" as const } : one));
        }
        expect(rounds).toBe(Math.max(...depth.values()));
      }),
    );
  });
});
