import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import fc from "fast-check";
import { Pool } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RouseError } from "../../sdk/errors.ts";
import { collectDue, expireUploads, sweep, UPLOAD_MS } from "./retention.ts";
import { type ArtifactsRig, gather, startArtifacts } from "./testing/rig.ts";

const KEEP_MS = 1_000;
let rig: ArtifactsRig;
beforeAll(async () => {
  rig = await startArtifacts({ keepMs: KEEP_MS });
});
afterAll(() => rig?.close());

const digestOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const gone = new Set([
  "ARTIFACT_REMOVED",
  "ARTIFACT_REPLACED",
  "ARTIFACT_UNKNOWN",
  "UPLOAD_UNKNOWN",
  "ARTIFACT_HELD",
]);

type Action =
  | { kind: "put"; content: number; holder: number | undefined }
  | { kind: "slow"; content: number; pauses: number }
  | { kind: "hold" | "release"; content: number; holder: number }
  | { kind: "remove" | "read"; content: number }
  | { kind: "collect" | "sweep" };

const content = fc.nat({ max: 2 });
const holder = fc.nat({ max: 1 });
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), content, holder: fc.option(holder, { nil: undefined }) }),
  fc.record({ kind: fc.constant("slow" as const), content, pauses: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constantFrom("hold" as const, "release" as const), content, holder }),
  fc.record({ kind: fc.constantFrom("remove" as const, "read" as const), content }),
  fc.record({ kind: fc.constantFrom("collect" as const, "sweep" as const) }),
);
/** What is done at once, and how much later the next is done. */
const round = fc.record({
  actions: fc.array(action, { minLength: 1, maxLength: 8 }),
  laterMs: fc.constantFrom(0, 100, KEEP_MS + 1),
  /** Else what is due is left to the next round, where others want it at the same time. */
  collects: fc.boolean(),
});

let run = 0;

/**
 * Each round's actions are under way together, on real files and a real database, with collections and sweeps among them. Between rounds
 * it is looked whether all is there that must be: what somebody holds, what is within its time, and what a put has just answered.
 */
test("nothing is removed that is held, within its time, or being uploaded; all else is", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 6 }), async (rounds) => {
      const { artifacts, open, clock } = rig;
      run += 1;
      const contents = [0, 1, 2].map((n) => Buffer.from(`content ${n} of run ${run}`.repeat(50)));
      const uriOf = (n: number) => `artifact:sha256-${digestOf(contents[n] ?? Buffer.alloc(0))}`;
      const name = (n: number) => `holder:${run}-${n}`;
      /** Who surely holds a content: the hold was answered, and no release or removal was under way with it. */
      const held = new Map<number, Set<number>>();
      /** Until when a content is surely kept. */
      const kept = new Map<number, number>();

      const one = async (what: Action): Promise<"gone" | undefined> => {
        try {
          if (what.kind === "put") {
            const source = Readable.from([contents[what.content]]);
            const hold = what.holder === undefined ? {} : { holder: name(what.holder) };
            await artifacts.write(source, { owner: "test", ...hold });
          } else if (what.kind === "slow") {
            const bytes = contents[what.content] ?? Buffer.alloc(0);
            const chunks = async function* () {
              for (let part = 0; part <= what.pauses; part++) {
                yield bytes.subarray(
                  (part * bytes.length) / (what.pauses + 1),
                  ((part + 1) * bytes.length) / (what.pauses + 1),
                );
                await collectDue(open, new Date(clock.ms));
                await sweep(open);
              }
            };
            await artifacts.write(chunks(), { owner: "test" });
          } else if (what.kind === "hold") await artifacts.hold(uriOf(what.content), name(what.holder));
          else if (what.kind === "release") await artifacts.release(name(what.holder), uriOf(what.content));
          else if (what.kind === "remove") await artifacts.remove(uriOf(what.content), "", "test");
          else if (what.kind === "read") {
            const bytes = await gather(artifacts.read(uriOf(what.content)));
            expect(bytes.equals(contents[what.content] ?? Buffer.alloc(0))).toBe(true);
          } else if (what.kind === "collect") await collectDue(open, new Date(clock.ms));
          else await sweep(open);
          return undefined;
        } catch (error) {
          // A removal that comes between the look and the reading of a file looks like damage for one moment only.
          if (error instanceof RouseError && gone.has(error.reason)) return "gone";
          throw error;
        }
      };

      for (const { actions, laterMs, collects } of rounds) {
        const results = await Promise.all(actions.map(one));
        for (const n of [0, 1, 2]) {
          const about = actions
            .map((what, index) => ({ what, ok: results[index] === undefined }))
            .filter(({ what }) => "content" in what && what.content === n);
          const some = (kind: Action["kind"]) => about.some(({ what }) => what.kind === kind);
          const holders = held.get(n) ?? new Set();
          for (const { what, ok } of about)
            if (
              ok &&
              (what.kind === "put" || what.kind === "hold") &&
              what.holder !== undefined &&
              !some("remove")
            )
              holders.add(what.holder);
          for (const { what } of about) if (what.kind === "release") holders.delete(what.holder);
          held.set(n, holders);
          const stored = about.some(({ what, ok }) => ok && (what.kind === "put" || what.kind === "slow"));
          if (stored) kept.set(n, clock.ms + KEEP_MS);
          if (some("remove") && holders.size === 0) kept.delete(n);
        }
        clock.ms += laterMs;
        if (collects) {
          await expireUploads(open, new Date(clock.ms));
          await collectDue(open, new Date(clock.ms));
          await sweep(open);
        }
        for (const n of [0, 1, 2]) {
          const must = (held.get(n)?.size ?? 0) > 0 || (kept.get(n) ?? 0) >= clock.ms;
          if (!must) continue;
          const bytes = await gather(artifacts.read(uriOf(n)));
          expect(bytes.equals(contents[n] ?? Buffer.alloc(0))).toBe(true);
        }
      }

      // When nobody needs anything any more, nothing is left.
      for (const n of [0, 1]) await artifacts.release(name(n));
      clock.ms += UPLOAD_MS + KEEP_MS + 1;
      await expireUploads(open, new Date(clock.ms));
      await collectDue(open, new Date(clock.ms));
      await sweep(open);
      const places: string[] = [];
      for await (const page of open.contents.places()) places.push(...page);
      expect(places).toEqual([]);
      expect(await open.spool.ids()).toEqual([]);
    }),
    { numRuns: 15, endOnFailure: true },
  );
});

/**
 * The look for what is due sees the holds of the moment at which it began. Here it is stopped on its way, by a view in place of the
 * table of holds, until another hold is there that it cannot see.
 */
test("what is held while a collection looks for what is due stays", async () => {
  const { artifacts, open, clock } = rig;
  const put = async (text: string) => {
    clock.ms += 1;
    const { uri } = await artifacts.write(Readable.from([Buffer.from(text)]), { owner: "test" });
    return uri;
  };
  const GATE = 4_711;
  // Comes first, so that the look is stopped before it locks the other one.
  const held = await put("held all the time");
  await artifacts.hold(held, "early");
  const due = await put("held at the last moment");
  clock.ms += KEEP_MS + 1;
  await open.pool.query(
    `CREATE SCHEMA gated;
     CREATE FUNCTION gated.pass() RETURNS boolean LANGUAGE plpgsql VOLATILE AS
       $$ BEGIN PERFORM pg_advisory_xact_lock_shared(${GATE}); RETURN true; END $$;
     CREATE VIEW gated.artifact_holds AS SELECT * FROM rouse_orders.artifact_holds WHERE gated.pass();`,
  );
  const pool = new Pool({ ...open.pool.options, options: "-c search_path=gated,rouse_orders", max: 1 });
  const gate = await open.pool.connect();
  // When the test fails, the database ends before they do.
  pool.on("error", () => undefined);
  gate.on("error", () => undefined);
  try {
    await gate.query("SELECT pg_advisory_lock($1)", [GATE]);
    const collecting = collectDue({ ...open, pool }, new Date(clock.ms));
    await expect
      .poll(
        async () => {
          const waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1";
          return (await gate.query(waiting, [GATE])).rowCount;
        },
        { timeout: 60_000, interval: 20 },
      )
      .toBe(1);
    await artifacts.hold(due, "late");
    await gate.query("SELECT pg_advisory_unlock($1)", [GATE]);
    expect(await collecting).toBe(0);
    expect(String(await gather(artifacts.read(due)))).toBe("held at the last moment");
  } finally {
    gate.release(true);
    await pool.end();
  }
  for (const holder of ["early", "late"]) await artifacts.release(holder);
  expect(await collectDue(open, new Date(clock.ms))).toBe(2);
});
