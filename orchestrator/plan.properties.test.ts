import fc from "fast-check";
import { expect, test } from "vitest";
import type { Activation, InstanceState, VersionManifest } from "../registry/state.ts";
import { joinAdvice, type Leaving } from "./adviser.ts";
import { type Action, nextGeneration, planVersion, retiringMs, type VersionView } from "./plan.ts";
import { Setbacks } from "./setbacks.ts";

const STEP_MS = 500;
const IDLE_MS = 20_000;
const MOST = 4;
/** No call takes longer than this: the contract says so. */
const CALL_MS = 60_000;

const manifest: VersionManifest = {
  schema: "rouse.manifest/v1",
  service: "a.v1.A",
  version: "1.0.0",
  summary: "",
  description: "",
  owner: "o",
  exposure: "internal",
  resources: { cpu: 0.5, memory: 2 ** 28, gpu: 0, labels: {} },
  startTimeoutMs: 30_000,
  idleTimeoutMs: IDLE_MS,
  targetConcurrency: 100,
  minInstances: 0,
  maxInstances: MOST,
  sessionKey: "",
  loadBalancing: "round_robin",
  standby: { instances: 1, keepMs: 60_000 },
  methods: [],
};

type Event =
  | { readonly kind: "call"; readonly takesMs: number }
  | { readonly kind: "load"; readonly desired: number }
  | { readonly kind: "leave" }
  | { readonly kind: "die" }
  | { readonly kind: "start fails" }
  | { readonly kind: "pass"; readonly steps: number };

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.integer({ min: 100, max: CALL_MS }).map((takesMs) => ({ kind: "call", takesMs }) as const),
  },
  fc.integer({ min: 0, max: 6 }).map((desired) => ({ kind: "load", desired }) as const),
  fc.constant({ kind: "leave" } as const),
  fc.constant({ kind: "die" } as const),
  fc.constant({ kind: "start fails" } as const),
  {
    weight: 3,
    arbitrary: fc.integer({ min: 1, max: 60 }).map((steps) => ({ kind: "pass", steps }) as const),
  },
);

interface Running {
  state: InstanceState;
  /** When each of its calls ends, ms. */
  calls: number[];
  retiringSinceMs: number;
}

/** A version with its instances and callers, as far as plans can tell. */
class World {
  nowMs = 1_000_000;
  activation: Activation = { generation: 1 };
  readonly running = new Map<string, Running>();
  starting: { instanceId: string; generation: number; readyMs: number; fails: boolean }[] = [];
  /** Length of each call that is held. */
  held: number[] = [];
  heldSinceMs: number | undefined;
  /** Instances on standby to which calls that are held were sent already. */
  sentAhead = new Set<string>();
  lastActiveMs = 0;
  movedMs = 0;
  desired: number | undefined;
  readonly leaving = new Map<string, Leaving>();
  readonly setbacks = new Setbacks();
  failNext = false;
  served = 0;
  #count = 0;

  act(event: Event): void {
    switch (event.kind) {
      case "call":
        this.#call(event.takesMs);
        break;
      case "load":
        this.desired = event.desired;
        break;
      case "leave": {
        const [first] = [...this.running.values()].filter(({ state }) => !state.draining);
        if (first !== undefined) this.leaving.set(first.state.id, { reason: "host h drains" });
        break;
      }
      case "die": {
        const [first] = this.running.keys();
        if (first !== undefined) this.running.delete(first);
        break;
      }
      case "start fails":
        this.failNext = true;
        break;
      case "pass":
        for (let n = 0; n < event.steps; n++) this.step();
        return;
    }
    this.step();
  }

  step(): void {
    this.nowMs += STEP_MS;
    this.#settle();
    // A plan that changes something is made anew, as the orchestrator does it.
    for (let n = 0; n < 20; n++) {
      const { actions } = planVersion(this.view(), {
        nowMs: this.nowMs,
        stopDrainMs: 30_000,
        place: () => ({ host: "h" }),
      });
      this.#check(actions);
      for (const action of actions) this.#carryOut(action);
      if (actions.length === 0) return;
    }
    throw new Error("plans without end");
  }

  get current(): Running[] {
    return [...this.running.values()].filter(
      ({ state }) =>
        state.generation === this.activation.generation && !state.draining && state.standby === undefined,
    );
  }

  get frozen(): Running[] {
    return [...this.running.values()].filter(({ state }) => state.standby !== undefined);
  }

  view(): VersionView {
    const endpoints = new Map(
      [...this.running.values()].map(({ state, calls }) => [
        state.address,
        { inProgress: calls.length, issued: 0, errors: 0 },
      ]),
    );
    const inProgress = [...endpoints.values()].reduce((sum, one) => sum + one.inProgress, 0);
    return {
      service: "a.v1.A",
      version: "1.0.0",
      state: {
        manifest,
        deployment: { artifact: { kind: "bundle", digest: "d" }, env: {}, mounts: [], registeredAtMs: 0 },
        activation: this.activation,
        instances: [...this.running.values()].map(({ state }) => state),
      },
      starting: this.starting,
      stopping: new Set(),
      wantedSinceMs: this.heldSinceMs,
      sentAhead: this.sentAhead,
      lastActiveMs: this.lastActiveMs,
      load: { inProgress, issued: 0, errors: 0, endpoints, untilMs: this.nowMs, reportedMs: this.nowMs },
      drained: (generation) =>
        this.nowMs >= this.movedMs + 1_500 &&
        [...this.running.values()].every(
          ({ state, calls }) => state.generation !== generation || calls.length === 0,
        ) &&
        generation < this.activation.generation,
      drainingSinceMs: () => this.movedMs,
      retiringSinceMs: (id) => this.running.get(id)?.retiringSinceMs ?? this.nowMs,
      startAgainMs: this.setbacks.untilMs({ service: "a.v1.A", version: "1.0.0" }),
      advice: joinAdvice([
        { leaving: this.leaving, ...(this.desired === undefined ? {} : { desired: this.desired }) },
      ]),
    };
  }

  #call(takesMs: number): void {
    // For a moment after a move Envoys still route as before.
    const former = [...this.running.values()].find(
      ({ state }) =>
        state.generation < this.activation.generation && !state.draining && state.standby === undefined,
    );
    if (former !== undefined && this.nowMs < this.movedMs + 1_000) {
      this.#begin(former, takesMs);
      return;
    }
    const [least] = this.current.sort((a, b) => a.calls.length - b.calls.length);
    if (least !== undefined) this.#begin(least, takesMs);
    else if (this.activation.failure === undefined) {
      this.held.push(takesMs);
      this.heldSinceMs ??= this.nowMs;
      // Envoys that have the generation's cluster ask for it no more.
      const [frozen] = this.frozen;
      if (frozen !== undefined && this.activation.served !== true) this.sentAhead.add(frozen.state.id);
    }
  }

  #begin(instance: Running, takesMs: number): void {
    instance.calls.push(this.nowMs + takesMs);
    this.served++;
    this.lastActiveMs = this.nowMs;
  }

  /** Calls end, starts get ready or fail. */
  #settle(): void {
    for (const instance of this.running.values()) {
      instance.calls = instance.calls.filter((endMs) => endMs > this.nowMs);
      if (instance.calls.length > 0) this.lastActiveMs = this.nowMs;
    }
    const due = this.starting.filter(({ readyMs }) => readyMs <= this.nowMs);
    this.starting = this.starting.filter(({ readyMs }) => readyMs > this.nowMs);
    for (const { instanceId, generation, fails } of due) {
      if (fails) this.#startFailed(generation);
      else this.#serves(instanceId, generation);
    }
  }

  #startFailed(generation: number): void {
    if (generation !== this.activation.generation) return;
    if (this.current.length > 0) this.setbacks.note({ service: "a.v1.A", version: "1.0.0" }, this.nowMs);
    else this.#fail("it does not start");
  }

  #fail(message: string): void {
    this.held = [];
    this.heldSinceMs = undefined;
    this.activation = {
      ...this.activation,
      failure: { status: "UNAVAILABLE", message, retryAtMs: this.nowMs + 2_000 },
    };
  }

  #serves(id: string, generation: number): void {
    const state = {
      id,
      generation,
      host: "h",
      runtime: "process",
      address: `127.0.0.1:${++this.#count}`,
      healthy: true,
      draining: false,
    };
    this.running.set(id, { state, calls: [], retiringSinceMs: 0 });
    this.#takes(this.running.get(id) as Running);
  }

  #takes(instance: Running): void {
    if (instance.state.generation !== this.activation.generation) return;
    this.activation = { ...this.activation, served: true };
    this.lastActiveMs = this.nowMs;
    for (const takesMs of this.held) this.#begin(instance, takesMs);
    this.held = [];
    this.heldSinceMs = undefined;
  }

  #check(actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.kind !== "stop" && action.kind !== "suspend") continue;
      if (action.instance.standby !== undefined) {
        expect(this.sentAhead.has(action.instance.id), "none goes to which calls were sent").toBe(false);
        continue;
      }
      const { calls, state, retiringSinceMs } = this.running.get(action.instance.id) as Running;
      const hadItsTime = state.retiring === true && this.nowMs >= retiringSinceMs + retiringMs(manifest);
      expect(calls.length === 0 || hadItsTime, "a stop cuts no call that is within its time").toBe(true);
      const known = state.retiring === true || this.nowMs >= this.movedMs + 1_500;
      expect(known, "nothing is stopped to which Envoys still route").toBe(true);
      if (action.kind === "suspend") expect(calls, "no call is frozen").toEqual([]);
    }
    expect(this.frozen.length, "no more on standby than the contract says").toBeLessThanOrEqual(1);
    const staying = this.current.filter(({ state }) => !this.leaving.has(state.id)).length;
    const coming = this.starting.filter(({ generation }) => generation === this.activation.generation).length;
    expect(staying + coming, "no more than the contract's maximum").toBeLessThanOrEqual(MOST);
  }

  #carryOut(action: Action): void {
    const running = "instance" in action ? this.running.get(action.instance.id) : undefined;
    switch (action.kind) {
      case "start": {
        const instanceId = `i${++this.#count}`;
        const { generation } = action.target;
        this.starting.push({ instanceId, generation, readyMs: this.nowMs + 1_000, fails: this.failNext });
        this.failNext = false;
        return;
      }
      case "adopt":
        if (running === undefined) return;
        running.state = { ...running.state, generation: action.target.generation };
        this.#takes(running);
        return;
      case "suspend": {
        if (running === undefined) return;
        const { retiring: _over, ...state } = running.state;
        const standby = { sinceMs: this.nowMs, lastUsedMs: action.lastUsedMs };
        running.state = { ...state, generation: action.target.generation, draining: false, standby };
        return;
      }
      case "resume": {
        if (running === undefined) return;
        const { standby: _over, ...state } = running.state;
        running.state = { ...state, generation: action.target.generation };
        this.sentAhead.clear();
        this.#takes(running);
        return;
      }
      case "retire":
        if (running === undefined) return;
        running.state = { ...running.state, draining: true, retiring: true };
        running.retiringSinceMs = this.nowMs;
        return;
      case "stop":
        this.running.delete(action.instance.id);
        return;
      case "fail":
        this.#fail(action.message);
        return;
      case "next-generation": {
        const wanted = action.reason !== "idle" && this.nowMs - this.lastActiveMs < 60_000;
        this.activation = nextGeneration(this.activation);
        this.movedMs = this.nowMs;
        this.sentAhead.clear();
        this.heldSinceMs = wanted || this.held.length > 0 ? this.nowMs : undefined;
        return;
      }
    }
  }
}

test("whatever happens, plans cut no call, keep to the maximum, serve what is held, come to rest, and then move nothing", () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 40 }), (events) => {
      const world = new World();
      for (const one of events) world.act(one);
      // Nobody disturbs it any more: a call that comes now is served, and all that left is gone.
      world.failNext = false;
      world.desired = 2;
      const before = world.served;
      for (let n = 0; n < 40 && world.served === before; n++) world.act({ kind: "call", takesMs: 1_000 });
      expect(world.served, "a call is served in the end").toBeGreaterThan(before);
      const serving = () => world.current.map(({ state }) => state.id).sort();
      let settled: readonly string[] = [];
      for (let n = 0; n < 30; n++) {
        if (n === 20) settled = serving();
        world.act({ kind: "call", takesMs: 1_000 });
        world.act({ kind: "pass", steps: 20 });
      }
      expect(serving(), "nothing moves that need not").toEqual(settled);
      expect(world.held).toEqual([]);
      expect(world.current.length, "as many as the load asks for").toBe(2);
      expect(world.running.size - world.frozen.length, "and nothing else runs").toBe(2);
      // And with no more calls it goes back to nothing.
      world.desired = 0;
      world.act({ kind: "pass", steps: 400 });
      expect(world.running.size).toBe(0);
      expect(world.starting).toEqual([]);
    }),
    { numRuns: 200 },
  );
});
