import fc from "fast-check";
import { expect, test } from "vitest";
import { deal } from "./deal.ts";
import { cancelled, lateReport, type PastChange, workersLost } from "./errors.ts";
import { cancelTree, collectSubtasks, Ledger, loseWorker, type TaskNode } from "./ledger.ts";
import { isHeld, isOver, newCore, type TaskReport } from "./machine.ts";

/** What a task shall do: sleep so often, fail so often, then split into these; its result is 1 and theirs. */
interface Spec {
  readonly sleeps: number;
  readonly failures: number;
  readonly subtasks: readonly Spec[];
}

interface Report {
  readonly task: string;
  readonly event: TaskReport;
  readonly result?: number;
  readonly subtasks?: readonly Spec[];
}

/** A worker's process. Its lease may have ended without its knowing. */
interface Worker {
  readonly id: string;
  readonly room: number;
  alive: boolean;
  /** Assignment by task, as it knows them. */
  readonly has: Map<string, number>;
  /** Said, and not answered yet: said again when the stream is taken up again. */
  unanswered: Report[];
}

const REPORTS: ReadonlySet<string> = new Set(["begin", "finish", "fail", "split", "sleep", "release"]);

type Picked = (options: number) => number;

/**
 * All of it in memory: the very functions that the store calls within its transactions, with processes that end and messages that
 * are lost, late or said twice between them.
 */
class World {
  readonly tasks = new Map<string, TaskNode>();
  readonly specs = new Map<string, Spec>();
  readonly results = new Map<string, number>();
  readonly history = new Map<string, PastChange[]>();
  readonly leases = new Map<string, { room: number; turn: number }>();
  readonly workers: Worker[] = [];
  /** Collectors that were told that the outcome is theirs. */
  readonly handed = new Map<string, Set<string>>();
  /** Whose result was used. */
  readonly credited = new Map<string, string>();
  /** Revision with which a task was checked. */
  readonly #checked = new Map<string, number>();
  #ids = 0;
  #nowMs = 0;

  submit(spec: Spec, parent = ""): void {
    const id = `t${this.#ids++}`;
    const core = newCore({ retries: 3, mostLosses: 1_000 });
    this.tasks.set(id, { ...core, id, queue: "q", parent });
    this.specs.set(id, spec);
    this.history.set(id, []);
  }

  /** One transaction: all of it or nothing. */
  #commit(work: (ledger: Ledger) => void): void {
    const ledger = new Ledger(this.tasks.values());
    work(ledger);
    for (const task of ledger.changed()) this.tasks.set(task.id, task);
    for (const change of ledger.changes)
      this.history.get(change.task)?.push({ ...change, at: new Date(this.#nowMs) });
  }

  join(room: number): void {
    const id = `w${this.#ids++}`;
    this.workers.push({ id, room, alive: true, has: new Map(), unanswered: [] });
    this.leases.set(id, { room, turn: 0 });
  }

  dispatch(): void {
    const ready = [...this.tasks.values()].filter(({ state }) => state === "unassigned");
    const hands = [...this.leases].map(([id, { room, turn }]) => ({ id, room: room - this.#held(id), turn }));
    this.#commit((ledger) => {
      for (const { task, worker, turn } of deal(
        ready,
        hands,
        Math.max(0, ...hands.map((hand) => hand.turn)),
      )) {
        ledger.apply(task, { kind: "assign", worker });
        this.leases.set(worker, { room: this.leases.get(worker)?.room ?? 0, turn });
      }
    });
  }

  #held(worker: string): number {
    return [...this.tasks.values()].filter((task) => isHeld(task) && task.worker === worker).length;
  }

  /** The worker hears what it was given. */
  push(worker: Worker): void {
    for (const task of this.tasks.values())
      if (isHeld(task) && task.worker === worker.id) worker.has.set(task.id, task.assignment);
  }

  /** The worker begins with one of the tasks that it has. */
  begin(worker: Worker, which: number): void {
    const [task, assignment] = [...worker.has][which] ?? ["", 0];
    if (task !== "")
      worker.unanswered.push({ task, event: { worker: worker.id, assignment, kind: "begin" } });
  }

  /** The handler of one of its tasks is through. */
  answer(worker: Worker, which: number): void {
    const [task, assignment] = [...worker.has][which] ?? ["", 0];
    const spec = this.specs.get(task);
    if (spec === undefined) return;
    worker.has.delete(task);
    worker.unanswered.push({ task, ...this.#answer(task, spec, { worker: worker.id, assignment }) });
  }

  /** What a handler answers follows from what is kept of the task, as it does in life. */
  #answer(id: string, spec: Spec, of: { worker: string; assignment: number }): Omit<Report, "task"> {
    const { failures = 0, turn = 1 } = this.tasks.get(id) ?? {};
    const error = { code: 13, message: "not yet", reason: "INTERNAL", metadata: {} } as const;
    if (failures < spec.failures) return { event: { ...of, kind: "fail", error, nowMs: this.#nowMs } };
    if (turn <= spec.sleeps) return { event: { ...of, kind: "sleep", untilMs: this.#nowMs + 1_000 } };
    const { subtasks } = spec;
    if (subtasks.length > 0 && turn === spec.sleeps + 1)
      return { event: { ...of, kind: "split", subtasks: subtasks.length }, subtasks };
    const below = [...this.tasks.values()].filter(({ parent }) => parent === id);
    return {
      event: { ...of, kind: "finish" },
      result: below.reduce((sum, task) => sum + (this.results.get(task.id) ?? 0), 1),
    };
  }

  /** The first report reaches the database. @param answered the answer reaches the worker. */
  note(worker: Worker, answered: boolean): void {
    const [report] = worker.unanswered;
    if (report === undefined) return;
    const { task: id, event, result, subtasks } = report;
    this.#commit((ledger) => {
      const task = ledger.get(id);
      if (task === undefined) throw new Error(`${id} is lost`);
      const after = ledger.apply(task, event);
      if (typeof after === "string") {
        const refused = after === "late" && lateReport(id, this.history.get(id) ?? [], event) !== undefined;
        if (!refused && event.kind === "finish") this.#credit(report);
        return;
      }
      if (result !== undefined) {
        expect(this.results.has(id)).toBe(false);
        this.results.set(id, result);
        this.#credit(report);
      }
      for (const spec of subtasks ?? []) this.submit(spec, id);
    });
    if (answered) worker.unanswered.shift();
  }

  /** A worker is told that its result is used: that is so, and no other is told it. */
  #credit({ task, event, result }: Report): void {
    expect(result).toBe(this.results.get(task));
    expect(this.credited.get(task) ?? event.worker).toBe(event.worker);
    this.credited.set(task, event.worker);
  }

  /** The lease ends, whether the process lives or not. */
  endLease(worker: Worker): void {
    if (!this.leases.delete(worker.id)) return;
    this.#commit((ledger) => loseWorker(ledger, worker.id, workersLost));
  }

  gather(): void {
    for (const parent of this.tasks.keys()) this.#commit((ledger) => collectSubtasks(ledger, parent));
  }

  tick(ms: number): void {
    this.#nowMs += ms;
    this.#commit((ledger) => {
      for (const task of ledger.all())
        if (task.state === "sleeping" && task.wakeAtMs <= this.#nowMs) ledger.apply(task, { kind: "wake" });
    });
  }

  collect(id: string, by: string): void {
    this.#commit((ledger) => {
      const task = ledger.get(id);
      if (task === undefined || task.parent !== "") return;
      const after = ledger.apply(task, { kind: "collect", by });
      if (typeof after === "string" && after !== "repeated") return;
      this.handed.set(id, (this.handed.get(id) ?? new Set()).add(by));
    });
  }

  cancel(id: string): void {
    this.#commit((ledger) => {
      const task = ledger.get(id);
      if (task !== undefined) cancelTree(ledger, task, cancelled(""));
    });
  }

  check(): void {
    for (const task of this.tasks.values()) {
      if (this.#checked.get(task.id) === task.revision) continue;
      this.#checked.set(task.id, task.revision);
      const past = this.history.get(task.id) ?? [];
      expect(past.map(({ revision }) => revision)).toEqual(past.map((_, at) => at + 2));
      const given = past.filter(({ kind }) => kind === "assign");
      expect(given.map(({ assignment }) => assignment)).toEqual(given.map((_, at) => at + 1));
      // A lease that ended is followed by one other assignment at most, and never to the same worker.
      for (const lost of past.filter(({ kind }) => kind === "lose")) {
        const next = given.filter(({ assignment }) => assignment === lost.assignment + 1);
        expect(next.length).toBeLessThanOrEqual(1);
        expect(next[0]?.by).not.toBe(lost.by);
      }
      // Only who has it is heard.
      for (const { kind, by, assignment } of past)
        if (REPORTS.has(kind)) expect(by).toBe(given[assignment - 1]?.by);
      expect(past.filter(({ kind }) => kind === "finish").length).toBeLessThanOrEqual(1);
      expect(past.filter(({ kind }) => kind === "collect").length).toBeLessThanOrEqual(1);
      expect(this.results.has(task.id)).toBe(task.state === "done_calculating" || task.state === "collected");
      expect(this.handed.get(task.id)?.size ?? 0).toBeLessThanOrEqual(1);
      if (isHeld(task)) expect(this.leases.has(task.worker)).toBe(true);
      if (task.state === "wait_for_subtasks") {
        const open = [...this.tasks.values()].filter(
          ({ parent, collectedBy }) => parent === task.id && collectedBy === "",
        );
        expect(task.pending).toBe(open.length);
        expect(task.pending).toBeGreaterThan(0);
      }
    }
    for (const [worker, { room }] of this.leases) expect(this.#held(worker)).toBeLessThanOrEqual(room);
  }

  /** From now on nothing breaks: all that is open has to end. */
  settle(): void {
    for (const worker of this.workers) if (!worker.alive) this.endLease(worker);
    this.join(5);
    for (let round = 0; round < 1_000 && [...this.tasks.values()].some((task) => !isOver(task)); round++) {
      this.dispatch();
      for (const worker of this.workers.filter(({ alive }) => alive)) {
        this.push(worker);
        while (worker.has.size > 0) this.answer(worker, 0);
        while (worker.unanswered.length > 0) this.note(worker, true);
      }
      this.gather();
      this.tick(1_000);
    }
  }
}

/** fast-check likes small numbers, and then all happens to the first worker. */
function spread(number: number): number {
  return Math.imul(number + 1, 0x9e3779b1) >>> 8;
}

function expected({ subtasks }: Spec): number {
  return subtasks.reduce((sum, spec) => sum + expected(spec), 1);
}

const leaf = fc.record({ sleeps: fc.nat(1), failures: fc.nat(2), subtasks: fc.constant([]) });
const branch = fc.record({
  sleeps: fc.nat(1),
  failures: fc.nat(1),
  subtasks: fc.array(leaf, { maxLength: 3 }),
});
const spec: fc.Arbitrary<Spec> = fc.record({
  sleeps: fc.nat(1),
  failures: fc.nat(1),
  subtasks: fc.array(fc.oneof(leaf, branch), { maxLength: 2 }),
});

const doings = [
  "dispatch",
  "push",
  "begin",
  "answer",
  "note",
  "note",
  "note, unanswered",
  "kill",
  "end lease",
  "join",
  "gather",
  "tick",
  "collect",
  "cancel",
] as const;
const history = fc.array(
  fc.record({ doing: fc.constantFrom(...doings), picks: fc.tuple(fc.nat(1_000), fc.nat(1_000)) }),
  {
    maxLength: 150,
    size: "max",
  },
);

function run(
  specs: readonly Spec[],
  steps: readonly { doing: (typeof doings)[number]; picks: readonly number[] }[],
  cancels: boolean,
) {
  const world = new World();
  for (const of of specs) world.submit(of);
  world.join(2);
  world.join(1);
  for (const { doing, picks } of steps) {
    let at = 0;
    const pick: Picked = (options) => (options === 0 ? 0 : spread(picks[at++ % 2] ?? 0) % options);
    const ids = [...world.tasks.keys()];
    const alive = world.workers.filter(
      ({ id, alive, has, unanswered }) => alive && (world.leases.has(id) || has.size + unanswered.length > 0),
    );
    const worker = alive[pick(alive.length)];
    if (doing === "dispatch") world.dispatch();
    else if (doing === "join" && alive.length < 5) world.join(1 + pick(3));
    else if (doing === "gather") world.gather();
    else if (doing === "tick") world.tick(pick(1_000));
    else if (doing === "collect") world.collect(ids[pick(ids.length)] ?? "", `c${pick(2)}`);
    else if (doing === "cancel" && cancels && pick(4) === 0) world.cancel(ids[pick(ids.length)] ?? "");
    else if (doing === "end lease") {
      const leased = world.workers.filter(({ id }) => world.leases.has(id));
      const any = leased[pick(leased.length)];
      if (any !== undefined) world.endLease(any);
    } else if (worker === undefined) continue;
    else if (doing === "push") world.push(worker);
    else if (doing === "begin") world.begin(worker, pick(worker.has.size));
    else if (doing === "answer") world.answer(worker, pick(worker.has.size));
    else if (doing === "note") world.note(worker, true);
    else if (doing === "note, unanswered") world.note(worker, false);
    else if (doing === "kill") worker.alive = false;
    world.check();
  }
  world.settle();
  world.check();
  return world;
}

test("in any history of crashes each task ends once, with the right result", () => {
  fc.assert(
    fc.property(fc.array(spec, { minLength: 1, maxLength: 3 }), history, (specs, steps) => {
      const world = run(specs, steps, false);
      for (const task of world.tasks.values()) {
        expect(task.state, JSON.stringify(world.history.get(task.id))).toMatch(
          /^(done_calculating|collected)$/,
        );
        const of = world.specs.get(task.id);
        expect(world.results.get(task.id)).toBe(of && expected(of));
        if (task.parent !== "") expect(task.collectedBy).toBe(`task:${task.parent}`);
      }
    }),
    { numRuns: 200 },
  );
});

test("with cancels between them, none is lost, and nothing below a cancelled one goes on", () => {
  fc.assert(
    fc.property(fc.array(spec, { minLength: 1, maxLength: 3 }), history, (specs, steps) => {
      const world = run(specs, steps, true);
      for (const task of world.tasks.values()) {
        expect(isOver(task)).toBe(true);
        if (world.tasks.get(task.parent)?.state === "cancelled") expect(isOver(task)).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});
