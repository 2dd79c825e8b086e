import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Run } from "../durable/types.ts";
import { RouseError } from "../errors.ts";
import { echoDefinition, say } from "../fixtures/echo.ts";
import { echoHandlers } from "../fixtures/handlers.ts";
import { replay, service } from "./index.ts";

test("each step is done once, and the function is begun anew after each", async () => {
  const done: string[] = [];
  const ids: string[] = [];
  const work = async (name: string, run: Run) => {
    ids.push(run.uuid());
    const a = await run.step("reserve", () => {
      done.push("reserve");
      return { seat: 7, at: new Date(5) };
    });
    const b = await run.step("charge", ({ idempotencyKey }) => {
      done.push("charge");
      return idempotencyKey;
    });
    await run.sleep(3_600_000);
    const c = await run.step("mail", () => {
      done.push("mail");
      return new Map([[1n, new Uint8Array([1])]]);
    });
    return { name, a, b, c, slept: run.now() };
  };
  const { response, journal, begun, tookMs } = await replay(work, "x", { startAt: 0 });
  expect(response).toEqual({
    name: "x",
    a: { seat: 7, at: new Date(5) },
    b: "test-run/2",
    c: new Map([[1n, new Uint8Array([1])]]),
    slept: 3_600_000,
  });
  expect(done).toEqual(["reserve", "charge", "mail"]);
  expect(tookMs).toBe(3_600_000);
  expect(journal.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
    "random uuid",
    "step reserve",
    "step charge",
    "sleep sleep",
    "step mail",
    "time now",
  ]);
  // Once for each entry that ends, and once more to compare.
  expect(begun).toBe(6);
  expect(new Set(ids).size).toBe(1);
});

test("with stepsTwice each step is done again, as after a crash before its record", async () => {
  const done: string[] = [];
  const work = async (_: null, run: Run) => {
    await run.step("a", () => void done.push("a"));
    await run.step("b", () => void done.push("b"));
  };
  await replay(work, null, { stepsTwice: true });
  expect(done).toEqual(["a", "a", "b", "b"]);
});

test("races end as they ended at first", async () => {
  const slow = { slow: 30, quick: 1 };
  const work = async (_: null, run: Run) => {
    const one = run.step("slow", () => pause(slow.slow, "slow"));
    const two = run.step("quick", () => pause(slow.quick, "quick"));
    const order: string[] = [];
    const note = (name: string) => void order.push(name);
    await run.all([one.then(note), two.then(note)]);
    // Plain promises do as well.
    const timer = run.sleep(1_000).then(() => "timer");
    return [order, await Promise.race([timer, run.sleep(500).then(() => "sooner")]), await run.race([timer])];
  };
  const { response, tookMs } = await replay(work, null);
  expect(response).toEqual([["quick", "slow"], "sooner", "timer"]);
  expect(tookMs).toBe(1_000);
});

test("a timer that lost is left open", async () => {
  const work = (_: null, run: Run) =>
    run.within(
      60_000,
      run.step("quick", () => "done"),
    );
  const { response, journal } = await replay(work, null);
  expect(response).toBe("done");
  expect(journal.map(({ name, done }) => [name, done])).toEqual([
    ["quick", true],
    ["within", false],
  ]);
});

test("what does not come in time", async () => {
  const work = (_: null, run: Run) => run.within(60_000, run.answer("approval"));
  await expect(replay(work, null)).rejects.toThrow(
    "What the run waited for did not come within 60000 ms. It goes on by itself; wait longer, or do without it.",
  );
});

test("an answer from outside", async () => {
  const work = async (_: null, run: Run) => (await run.answer<{ by: string }>("approval")).by;
  expect((await replay(work, null, { answers: { approval: { by: "Ada" } } })).response).toBe("Ada");
  await expect(replay(work, null)).rejects.toThrow(
    'The run waits for answer "approval", which never comes. Give what it waits for: replay(work, request, { answers: { name: value } }).',
  );
});

test("errors of steps are recorded, and caught as they were", async () => {
  let attempts = 0;
  const work = async (_: null, run: Run) => {
    const caught: unknown[] = [];
    const note = (error: unknown) => void caught.push(error);
    await run
      .step("refused", () => {
        throw new RouseError("NOT_FOUND", "There is no seat.", {
          reason: "SEAT_TAKEN",
          metadata: { seat: "7" },
        });
      })
      .catch(note);
    await run.step("broken", () => JSON.parse("{") as unknown).catch(note);
    const fifth = await run.step(
      "flaky",
      ({ attempt }) => {
        attempts += 1;
        if (attempt < 3) throw new Error("not yet");
        return attempt;
      },
      { retries: 5, pauseMs: 1 },
    );
    return { caught, fifth };
  };
  const { response } = await replay(work, null);
  expect(response.fifth).toBe(3);
  expect(attempts).toBe(3);
  expect(response.caught).toMatchObject([
    { status: "NOT_FOUND", reason: "SEAT_TAKEN", metadata: { seat: "7" }, message: "There is no seat." },
    { status: "INTERNAL", reason: "STEP_FAILED", metadata: { step: "broken" } },
  ]);
});

test("retries end with the last error, and early where it is not worth it", async () => {
  const tried = { all: 0, some: 0 };
  const work = async (_: null, run: Run) => {
    const fail = (which: keyof typeof tried) => () => {
      tried[which] += 1;
      throw new RouseError("UNAVAILABLE", `attempt ${tried[which]}`);
    };
    const all = await run
      .step("all", fail("all"), { retries: 2, pauseMs: 1 })
      .catch((error: Error) => error.message);
    const some = await run
      .step("some", fail("some"), { retries: 2, pauseMs: 1, retryIf: () => false })
      .catch((error: Error) => error.message);
    return [all, some];
  };
  expect((await replay(work, null)).response).toEqual(["attempt 3", "attempt 1"]);
});

test("calls of services are journaled, with their errors", async () => {
  let calls = 0;
  const handlers = {
    ...echoHandlers,
    say: (request: ReturnType<typeof say>) => {
      calls += 1;
      if (request.text === "no") throw new RouseError("NOT_FOUND", "no", { reason: "NOPE" });
      return say(`${request.text}!`);
    },
  };
  const work = async (text: string, run: Run) => {
    const echo = run.client(echoDefinition);
    const first = await echo.say(say(text));
    const second = await echo.say(say(first.text));
    const reason = await echo.say(say("no")).catch((error: RouseError) => error.reason);
    return { text: second.text, reason };
  };
  const { response, journal } = await replay(work, "a", { services: [service(echoDefinition, handlers)] });
  expect(response).toEqual({ text: "a!!", reason: "NOPE" });
  expect(calls).toBe(3);
  expect(journal.map(({ kind, name }) => `${kind} ${name}`)).toEqual(
    Array.from({ length: 3 }, () => "step test.echo.v1.Echo/Say"),
  );
  await expect(replay(work, "a")).rejects.toThrow(
    "The function calls test.echo.v1.Echo, and the test has no such service. Give it one: replay(work, request, { services: [service(Definition, handlers)] }).",
  );
});

const remedy =
  ' Either its code was changed under a run: register the change as a new version, for runs stay with the version that they began with, or keep the old path beside the new one: if (run.patched("name")) { new } else { old }. Or it decides by something that is not in the journal: take the time from run.now(), random numbers from run.random(), and whatever else comes from outside from run.step().';

test.each<[string, (begun: number, run: Run) => Promise<unknown>, string]>([
  [
    "another step",
    (begun, run) => run.step(begun === 1 ? "charge" : "refund", () => 1),
    'at step 0 its journal has step "charge", and now it is step "refund".',
  ],
  [
    "another kind",
    async (begun, run) => {
      await run.step("a", () => 1);
      await (begun < 3 ? run.step("b", () => 1) : run.sleep(1));
      await run.step("c", () => 1);
    },
    'at step 1 its journal has step "b", and now it is sleep.',
  ],
  [
    "the other way round",
    async (begun, run) => {
      const names = begun < 3 ? ["a", "b"] : ["b", "a"];
      for (const name of names) await run.step(name, () => 1);
    },
    'at step 0 its journal has step "a", and now it is step "b".',
  ],
  [
    "an early end",
    async (begun, run) => {
      if (begun < 2) await run.step("a", () => 1);
    },
    'at step 0 its journal has step "a", and now it is the end of the function.',
  ],
  [
    "an early failure",
    async (begun, run) => {
      if (begun > 1) throw new TypeError("no state");
      await run.step("a", () => 1);
    },
    'at step 0 its journal has step "a", and now it is the end of the function, which failed (TypeError: no state).',
  ],
  [
    "a step more",
    async (begun, run) => {
      await run.step("a", () => 1);
      if (begun > 2) await run.step("b", () => 1);
    },
    'at step 1 its journal has the end of the function, and now it is step "b".',
  ],
  [
    "another answer",
    async (begun, run) => ({ a: await run.step("a", () => 1), begun: begun > 2 }),
    "at step 1 its journal has the answer { a: 1, begun: false }, and now it is the answer { a: 1, begun: true }.",
  ],
  [
    "waiting for something else",
    async (begun, run) => {
      if (begun > 1) await new Promise(() => undefined);
      await run.step("a", () => 1);
    },
    'at step 0 its journal has step "a", and now it is waiting for something that is not in the journal.',
  ],
  [
    "time instead of a random number",
    async (begun, run) => {
      if (begun === 1) run.random();
      else run.now();
      await run.step("a", () => 1);
    },
    'at step 0 its journal has random, and now it is time "now".',
  ],
  [
    "caught by the function itself",
    async (begun, run) => {
      try {
        await run.step(begun === 1 ? "a" : "b", () => 1);
      } catch {
        return 2;
      }
      return 1;
    },
    'at step 0 its journal has step "a", and now it is step "b".',
  ],
])("what is not deterministic is told with the step that differs: %s", async (_name, work, words) => {
  let begun = 0;
  const attempt = replay((_: null, run: Run) => work(++begun, run), null, { stuckMs: 300 });
  await expect(attempt).rejects.toMatchObject({
    reason: "RUN_NOT_DETERMINISTIC",
    status: "FAILED_PRECONDITION",
    message: `The function took another path than before: ${words}${remedy}`,
  });
});

test("another request of the same method", async () => {
  let begun = 0;
  const work = async (_: null, run: Run) => {
    begun += 1;
    return (await run.client(echoDefinition).say(say(`${begun}`))).text;
  };
  await expect(replay(work, null, { services: [service(echoDefinition, echoHandlers)] })).rejects.toThrow(
    'at step 0 its journal has step "test.echo.v1.Echo/Say", and now it is step "test.echo.v1.Echo/Say" with another request.',
  );
});

test("something durable within a step", async () => {
  const work = (_: null, run: Run) => run.step("outer", () => run.step("inner", () => 1));
  await expect(replay(work, null)).rejects.toThrow(
    'Step "outer" uses step "inner" of its run, which a replay would leave out with the step. Take it before the step, or make it a step of its own after it.',
  );
});

test("something durable after the end", async () => {
  let kept: Run | undefined;
  const work = async (_: null, run: Run) => {
    kept = run;
  };
  await replay(work, null);
  expect(() => kept?.now()).toThrow(
    'The run has ended, and time "now" comes too late for its journal. Await everything that a durable function begins before it returns.',
  );
});

test.each([
  ["", "one with 0 characters"],
  ["x".repeat(201), "one with 201 characters"],
  ["charge\0", '"charge\\u0000", which has a NUL or half a character in it'],
  ["\ud800", '"\\ud800", which has a NUL or half a character in it'],
  [undefined as unknown as string, "a undefined"],
])("a step's name: %j", async (name, found) => {
  await expect(replay((_: null, run: Run) => run.step(name, () => 1), null)).rejects.toThrow(
    `A step of a durable function needs a name of 1 to 200 characters, and this is ${found}. Name it by what it does, such as "charge".`,
  );
});

test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])("no rest of %d ms", async (ms) => {
  await expect(replay((_: null, run: Run) => run.sleep(ms), null)).rejects.toThrow(
    `A run cannot rest for or until ${ms}. Give ms, such as run.sleep(60_000), or a date.`,
  );
});

test("a result that no journal can hold", async () => {
  await expect(
    replay((_: null, run: Run) => run.step("open", () => ({ socket: /x/ })), null),
  ).rejects.toThrow(
    'The result of step "open" has at socket an instance of RegExp, which a journal cannot hold.',
  );
});

test("what is kept by key", async () => {
  const work = async (by: number, run: Run) => {
    const before = (await run.kept<number>("sum")) ?? 0;
    await run.keep("sum", before + by);
    await run.step("look", () => 1);
    await run.keep("gone", undefined);
    return [before, await run.kept("sum"), await run.kept("gone")];
  };
  const first = await replay(work, 3, { key: "a", kept: { gone: "soon" } });
  expect(first).toMatchObject({ response: [0, 3, undefined], kept: { sum: 3 } });
  expect(first.journal.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
    "kept sum",
    "keep sum",
    "step look",
    "keep gone",
    "kept sum",
    "kept gone",
  ]);
  const second = await replay(work, 4, { key: "a", kept: first.kept, restart: "at the end" });
  expect(second).toMatchObject({ response: [3, 7, undefined], kept: { sum: 7 } });
});

test("nothing is kept without a key, nor what a journal cannot hold", async () => {
  await expect(replay((_: null, run: Run) => run.keep("sum", 1), null)).rejects.toThrow(
    'The run has no key, so that nobody could find again what is kept as "sum". Call the method with one, as { key: "account-7" }; an actor that is keyed takes no other calls.',
  );
  await expect(
    replay(async (_: null, run: Run) => run.kept("sum"), null).then(() => ""),
  ).rejects.toMatchObject({ reason: "RUN_WITHOUT_KEY" });
  await expect(replay((_: null, run: Run) => run.keep("x", /x/), null, { key: "a" })).rejects.toThrow(
    'What is kept as "x" is an instance of RegExp, which a journal cannot hold.',
  );
});

test("any program of steps, sleeps and races gives the same answer however it is interrupted", async () => {
  type Part =
    | { readonly do: "step" | "sleep" | "random"; readonly n: number }
    | { readonly do: "all" | "race"; readonly of: readonly Part[] };
  const { part } = fc.letrec<{ part: Part }>((tie) => ({
    part: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.record({ do: fc.constantFrom("step" as const, "sleep" as const, "random" as const), n: fc.nat(50) }),
      fc.record({
        do: fc.constantFrom("all" as const, "race" as const),
        of: fc.array(tie("part"), { minLength: 1, maxLength: 4 }),
      }),
    ),
  }));
  const perform = async (part: Part, run: Run): Promise<unknown> => {
    if (part.do === "all") return run.all(part.of.map((one) => perform(one, run)));
    if (part.do === "race") {
      const first = await run.race(
        part.of.map(async (one, index) => ({ index, value: await perform(one, run) })),
      );
      return run.step(`after ${first.index}`, () => first);
    }
    if (!("n" in part)) throw new Error("no part");
    if (part.do === "random") return run.random() < 0.5 ? run.step("tails", () => part.n) : run.sleep(part.n);
    if (part.do === "sleep") return run.sleep(part.n).then(() => run.now());
    return run.step(
      `step ${part.n}`,
      () => new Promise((resolve) => setTimeout(resolve, part.n % 3, part.n)),
    );
  };
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 3 }), fc.boolean(), async (parts, stepsTwice) => {
      const work = async (_: null, run: Run) => {
        const out: unknown[] = [];
        for (const part of parts) out.push(await perform(part, run));
        return out;
      };
      // It compares by itself; any difference is an error.
      await replay(work, null, { stepsTwice });
    }),
    { numRuns: 60 },
  );
});
