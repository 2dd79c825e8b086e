import type { Logger } from "pino";
import type { ActivateResponse, StageTimes } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import type { ControlPlane } from "../registry/control-planes.ts";
import { Ends } from "../registry/ends.ts";
import type { HostState } from "../registry/hosts.ts";
import type { Activation, MeshState, VersionState } from "../registry/state.ts";
import type { Target } from "../registry/target.ts";
import { clusterName, versionKey } from "../registry/target.ts";
import { RouseError } from "../sdk/errors.ts";
import { steadyMs } from "../sdk/steady.ts";
import { awaitMeshConfigs } from "./absent.ts";
import { type Adviser, replaced } from "./adviser.ts";
import { Agents } from "./agents.ts";
import { Attempts } from "./attempts.ts";
import { Decisions } from "./decisions.ts";
import { Demand } from "./demand.ts";
import { execute, noteServed } from "./execute.ts";
import { Outcomes } from "./health/outcomes.ts";
import { Overlay } from "./overlay.ts";
import { Placer } from "./placement/placer.ts";
import { planVersion, type VersionView } from "./plan.ts";
import { ServedNotes } from "./served-notes.ts";
import { SessionsAdviser } from "./sessions.ts";
import { Setbacks } from "./setbacks.ts";
import { Starts } from "./starts.ts";
import { Timetable } from "./timetable.ts";
import { versionView } from "./views.ts";

/** Where the orchestrator looks and writes; registry/ implements it on Consul. */
export interface Mesh {
  current(): MeshState;
  hosts(): readonly HostState[];
  /** "host:port" of the leading orchestrator, as far as it is known. */
  leader?(): string | undefined;
  controlPlanes?(): readonly ControlPlane[];
  /** Whether this orchestrator has the lead, as Consul says now; false also when Consul does not answer. */
  leads?(): Promise<boolean>;
  /** Changes a version's activation by check-and-set; answers what is stored then. */
  updateActivation(
    service: string,
    version: string,
    change: (activation: Activation) => Activation,
  ): Promise<Activation>;
}

export interface OrchestratorOptions {
  readonly id: string;
  readonly mesh: Mesh;
  readonly log: Logger;
  /** Parts that have a say in each plan. */
  readonly advisers?: readonly Adviser[];
  /** How what was started and ran went, by host. Default: kept for nobody. */
  readonly outcomes?: Outcomes;
  /** Longest drain of a version that an administrator stopped, ms. Default 30,000. */
  readonly stopDrainMs?: number;
}

/** After an action that failed (Consul is away, most likely) its version is planned again, ms. */
const RETRY_MS = 500;

/** How a wish for a version ended. */
export type Outcome = { readonly ready: ActivateResponse } | { readonly error: RouseError };

/**
 * Keeps every version as its plan says, while it leads.
 *
 * Events (a wish, a load report, a change in Consul, an ended start) lead to a new plan of the versions that they
 * touch; plans are made by pure functions, and carried out once.
 */
export class Orchestrator {
  readonly id: string;
  readonly mesh: Mesh;
  readonly log: Logger;
  readonly agents = new Agents();
  readonly demand = new Demand();
  readonly overlay = new Overlay();
  readonly #ends = new Ends();
  readonly starts = new Starts();
  readonly stopping = new Set<string>();
  readonly setbacks = new Setbacks();
  readonly placer: Placer;
  readonly outcomes: Outcomes;
  readonly decisions = new Decisions();
  readonly attempts = new Attempts();
  readonly sessions = new SessionsAdviser(() => this.demand);
  readonly #servedNotes: ServedNotes;
  readonly #advisers: readonly Adviser[];
  readonly #stopDrainMs: number;
  /** Versions with an action under way that changes what a plan would say. */
  readonly #busy = new Set<string>();
  readonly #lookAgain = new Timetable((key) => {
    const cut = key.lastIndexOf("@");
    this.evaluate(key.slice(0, cut), key.slice(cut + 1));
  });
  /** The state at which every version was last looked at. */
  #seen: MeshState = { services: new Map() };
  readonly #listeners = new Set<(response: ActivateResponse) => void>();
  readonly #waiters = new Map<string, Set<(outcome: Outcome) => void>>();
  #token: number | undefined;
  #leadingSinceMs = 0;

  constructor(options: OrchestratorOptions) {
    this.id = options.id;
    this.mesh = options.mesh;
    this.placer = new Placer(options.mesh, this.starts);
    this.log = options.log;
    this.outcomes = options.outcomes ?? new Outcomes();
    this.#advisers = [...(options.advisers ?? []), this.sessions];
    this.#stopDrainMs = options.stopDrainMs ?? 30_000;
    this.#servedNotes = new ServedNotes({
      isMissing: (target) => this.#lacksNote(target),
      write: (target) => noteServed(this, target),
      log: this.log,
    });
  }

  /** The fencing token while it leads. */
  get token(): number | undefined {
    return this.#token;
  }

  /** Begins to act. Starts that a former leader left under way are to be in `starts` by then. */
  lead(token: number): void {
    this.#token = token;
    this.#leadingSinceMs = steadyMs();
    this.log.info({ token }, "leading");
    awaitMeshConfigs(this, token);
    this.evaluateAll();
  }

  /** Stops acting; instances go on. */
  follow(): void {
    if (this.#token === undefined) return;
    this.#token = undefined;
    this.starts.clear();
    this.sessions.reset();
    this.stopping.clear();
    this.#lookAgain.clear();
    this.decisions.end();
    const lost = new RouseError("FAILED_PRECONDITION", `Orchestrator ${this.id} leads no more; ask again.`, {
      reason: "NOT_LEADING",
    });
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter({ error: lost });
    this.#waiters.clear();
    this.log.warn("no longer leading");
  }

  close(): void {
    this.follow();
    this.agents.close();
  }

  /** Tells what gets ready to a stream until the returned function is called. */
  subscribe(listener: (response: ActivateResponse) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  announce(response: ActivateResponse): void {
    for (const listener of this.#listeners) listener(response);
  }

  announceStages(stages: StageTimes): void {
    this.announce({ kind: { $case: "stages", value: stages } });
  }

  /** Resolves when the target serves or failed. */
  outcome(target: Target): Promise<Outcome> {
    return new Promise((resolve) => {
      const key = clusterName(target);
      const waiters = this.#waiters.get(key) ?? new Set();
      waiters.add(resolve);
      this.#waiters.set(key, waiters);
    });
  }

  /** Ends the wish for a target and tells those who wait for its outcome. */
  settle(target: Target, outcome: Outcome): void {
    this.demand.settle(target);
    const key = clusterName(target);
    for (const waiter of this.#waiters.get(key) ?? []) waiter(outcome);
    this.#waiters.delete(key);
  }

  /** Plans every version, as when the hosts have changed. */
  evaluateAll(): void {
    this.evaluateChanged();
    for (const [service, { versions }] of this.#seen.services)
      for (const version of versions.keys()) this.evaluate(service, version);
  }

  /** Plans the versions that differ from the state at which all were last looked at. */
  evaluateChanged(): void {
    if (this.#token === undefined) return;
    const { services: before } = this.#seen;
    this.#seen = this.mesh.current();
    const { services: now } = this.#seen;
    for (const [service, { versions }] of before) {
      const after = now.get(service);
      if (after?.versions === versions) continue;
      for (const [version, state] of versions) this.#forgetGone(state, after?.versions.get(version));
    }
    for (const [service, state] of now) {
      const known = before.get(service);
      if (known === state) continue;
      for (const [version, shown] of state.versions)
        if (known?.versions.get(version) !== shown) this.evaluate(service, version);
    }
  }

  /** Lets go of what is kept of instances that Consul shows no more. */
  #forgetGone(before: VersionState, now: VersionState | undefined): void {
    if (before === now) return;
    const shown = new Set(now?.instances.map(({ id }) => id));
    for (const { id } of before.instances) {
      if (shown.has(id)) continue;
      this.stopping.delete(id);
      this.demand.forgetInstance(id);
      this.#ends.forget(id);
    }
  }

  /** Plans one version and carries the plan out. A plan that changes the version is finished before the next. */
  evaluate(service: string, version: string): void {
    const token = this.#token;
    const shown = this.mesh.current().services.get(service)?.versions.get(version);
    if (token === undefined || shown === undefined) return;
    const key = versionKey({ service, version });
    if (this.#busy.has(key)) return;
    const nowMs = steadyMs();
    const view = this.view(service, version, shown, nowMs);
    // What was called before this orchestrator led is unknown: a version that it finds warm was.
    if (view.state.instances.length > 0) this.demand.touch({ service, version }, this.#leadingSinceMs);
    this.#servedNotes.check({ service, version, generation: view.state.activation.generation });
    const plan = planVersion(view, {
      nowMs,
      stopDrainMs: this.#stopDrainMs,
      place: () => this.placer.place(view.state, nowMs, replaced(view.advice)),
    });
    this.#lookAgain.set(key, plan.lookAgainMs);
    for (const action of plan.actions) {
      this.decisions.addAction(action);
      this.#busy.add(key);
      const again = () => {
        this.#busy.delete(key);
        this.evaluate(service, version);
      };
      execute(this, action, view.state, token).then(again, (error: unknown) => {
        this.log.error({ err: error, action: action.kind, version: key }, "action failed; it is tried again");
        setTimeout(again, RETRY_MS).unref();
      });
    }
  }

  /** What a plan of a version is made from, while it leads. */
  view(service: string, version: string, shown: VersionState, nowMs: number): VersionView {
    return versionView(service, version, shown, this.#sources(), nowMs);
  }

  #lacksNote({ service, version, generation }: Target): boolean {
    if (this.#token === undefined) return false;
    const { activation, instances } = this.mesh.current().services.get(service)?.versions.get(version) ?? {};
    if (activation?.generation !== generation || activation.served === true) return false;
    if (activation.failure !== undefined || activation.stopped !== undefined) return false;
    return instances?.some((one) => one.generation === generation && one.standby === undefined) === true;
  }

  #sources() {
    return {
      demand: this.demand,
      overlay: this.overlay,
      ends: this.#ends,
      starts: this.starts,
      stopping: this.stopping,
      setbacks: this.setbacks,
      advisers: this.#advisers,
      leadingSinceMs: this.#leadingSinceMs,
    };
  }

  /** @throws RouseError FAILED_PRECONDITION when another orchestrator leads. */
  requireLeading(): number {
    if (this.#token === undefined) {
      const leader = this.mesh.leader?.();
      const whom = leader === undefined ? "and nobody leads at present" : `ask the one at ${leader}`;
      throw new RouseError("FAILED_PRECONDITION", `Orchestrator ${this.id} does not lead; ${whom}.`, {
        reason: "NOT_LEADING",
        ...(leader !== undefined && { metadata: { leader } }),
      });
    }
    return this.#token;
  }
}
