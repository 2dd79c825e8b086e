import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import { expect } from "vitest";
import { RouseError } from "../../sdk/errors.ts";
import { submitTask, type TaskQueue } from "../../sdk/tasks/index.ts";
import { createLedgerServiceClient } from "../fixtures/ledger/gen/ledger/v1/ledger.client.ts";
import { type Flock, woolOf } from "../fixtures/task-worker.ts";
import { until } from "./live.ts";

/** So many of each kind are under way at one time. */
export const TOGETHER = 6;
const SHEEP = 4;
const WAIT_MS = 180_000;

export interface WorkOptions {
  /** Addresses of the mesh, which stay. */
  readonly edge: string;
  readonly mesh: string;
  /** Whoever works on its tasks is the test's. */
  readonly queue: TaskQueue<Flock, number>;
  /** Goes on until so many of each have begun, at least. */
  readonly least: number;
}

/**
 * Durable runs and async calls of the ledger, and tasks, one after the other while something befalls the mesh. Callers ask again as
 * long as they are told that it is away; at the end the database is counted.
 */
export class Work {
  readonly #options: WorkOptions;
  readonly #begun = { run: 0, call: 0, task: 0 };
  #ended = 0;
  #goesOn = true;

  constructor(options: WorkOptions) {
    this.#options = options;
  }

  /** Resolves when some more have ended. */
  more(): Promise<void> {
    const wanted = this.#ended + 3 * TOGETHER;
    return until(`${wanted} have ended`, async () => this.#ended >= wanted, WAIT_MS);
  }

  /** Has work under way until that has befallen the mesh, and all of the work has ended. */
  async during(befall: () => Promise<void>): Promise<void> {
    const { edge, mesh, queue } = this.#options;
    using client = createLedgerServiceClient({ target: edge });
    const request = { entries: 3, first: 0, restMs: 20, entryMs: 50, fail: "", bytes: 0, approval: "" };
    const booked = (first: number) => [first, first + 1, first + 2];
    const callers = [
      this.#caller("run", async (first, key) => {
        const started = await untilAnswered(() =>
          client.async.book({ ...request, first }, { idempotencyKey: key }),
        );
        expect((await untilAnswered(() => started.wait())).booked).toEqual(booked(first));
      }),
      this.#caller("call", async (first, key) => {
        const started = await untilAnswered(() =>
          client.async.count({ ...request, first }, { idempotencyKey: key }),
        );
        expect((await untilAnswered(() => started.wait())).booked).toEqual(booked(first));
      }),
      this.#caller("task", async (_, key) => {
        const settings = { idempotencyKey: key, mostLosses: 1_000, target: mesh };
        const made = await untilAnswered(() => submitTask(queue, { sheep: SHEEP }, settings));
        expect(await untilAnswered(() => made.collect({ collector: key }))).toBe(woolOf(SHEEP));
      }),
    ];
    const befallen = async () => {
      try {
        await befall();
      } finally {
        this.#goesOn = false;
      }
    };
    await Promise.all([
      befallen(),
      ...callers.flatMap((each) => Array.from({ length: TOGETHER }, () => each())),
    ]);
  }

  /** What was asked for under a key is there once, and has ended once; each step of a run is recorded once. */
  async check(databaseUrl: string): Promise<void> {
    const pool = new Pool({
      connectionString: databaseUrl,
      options: "-c search_path=rouse_orders",
      max: 1,
    });
    try {
      const count = async (from: string) =>
        (await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${from}`)).rows[0]?.n;
      for (const [kind, method] of [
        ["run", "Book"],
        ["call", "Count"],
      ] as const) {
        const begun = this.#begun[kind];
        // Others may have asked for something of their own.
        const own = `method = '${method}' AND idempotency_key LIKE '${kind} %'`;
        expect(await count(`operations WHERE ${own}`)).toBe(begun);
        expect(await count(`operations WHERE ${own} AND state = 'succeeded'`)).toBe(begun);
      }
      const runs = "SELECT id FROM operations WHERE idempotency_key LIKE 'run %'";
      expect(await count(`run_entries WHERE run IN (${runs})`)).toBe(this.#begun.run * 6);
      const tasks = this.#begun.task * (1 + SHEEP);
      const ours = `queue = '${this.#options.queue.name}'`;
      expect(await count(`tasks WHERE ${ours}`)).toBe(tasks);
      const times = (kind: string) =>
        `(SELECT count(*) FROM task_changes WHERE task = tasks.id AND task_changes.kind = '${kind}')`;
      expect(
        await count(
          `tasks WHERE ${ours} AND state = 'collected' AND ${times("finish")} = 1 AND ${times("collect")} = 1`,
        ),
      ).toBe(tasks);
    } finally {
      await pool.end();
    }
  }

  #caller(kind: "run" | "call" | "task", one: (number: number, key: string) => Promise<void>) {
    return async () => {
      while (this.#goesOn || this.#begun[kind] < this.#options.least) {
        const number = this.#begun[kind]++;
        await one(number, `${kind} ${number}`);
        this.#ended++;
      }
    };
  }
}

/** Asks again as long as the mesh says that it is away; the key makes that safe. */
export async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (const endMs = Date.now() + WAIT_MS; ; ) {
    try {
      return await ask();
    } catch (thrown) {
      const error = RouseError.from(thrown);
      if (error.status !== "UNAVAILABLE" || Date.now() > endMs) throw thrown;
      await sleep(100);
    }
  }
}
