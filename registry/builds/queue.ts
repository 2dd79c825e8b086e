import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { type Build, Build_State } from "#proto/rouse/registry/v1/builds.ts";
import { RouseError } from "../../sdk/errors.ts";
import { ADMINISTRATOR, type Caller } from "../access.ts";
import type { RegistryContext } from "../context.ts";
import { BuildLog, BuildNews } from "./build-log.ts";
import { BuildStopped } from "./failure.ts";
import { checkGit } from "./git.ts";
import {
  type BuildLimits,
  DEFAULT_PARALLEL,
  defaultLimits,
  MOST_QUEUED,
  MOST_QUEUED_EACH,
} from "./limits.ts";
import { removeFolder } from "./remove-folder.ts";
import type { BuildOrder } from "./request.ts";
import { runBuild } from "./run-build.ts";
import { endProcesses, Runner } from "./runner.ts";
import { innerFolder, outerFolder } from "./scratch-folder.ts";
import { type BuildChange, type BuildRecord, BuildStore } from "./store.ts";
import { checkStranger } from "./strangers.ts";

export interface BuildsOptions {
  /** Builds that run at the same time. Default 1. */
  readonly parallel?: number;
  readonly limits?: Partial<BuildLimits>;
}

interface Running {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

const RESTARTED = "The registry restarted while the build ran. Start it again.";

/** Runs builds in the order in which they were asked for, a few at the same time. The queue is on disk and outlives the registry. */
export class BuildQueue {
  readonly store: BuildStore;
  readonly news = new BuildNews();
  readonly #context: RegistryContext;
  readonly #limits: BuildLimits;
  readonly #parallel: number;
  readonly #running = new Map<string, Running>();
  /** Nothing of a former registry is left. */
  readonly #cleaned = Promise.withResolvers<void>();
  #runner: Promise<Runner> | undefined;
  #closing = false;

  constructor(context: RegistryContext, options: BuildsOptions = {}) {
    this.#context = context;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#parallel = options.parallel ?? DEFAULT_PARALLEL;
    this.store = new BuildStore(join(context.dataDir, "builds.db"));
  }

  /** True once {@link close} was called. */
  get closing(): boolean {
    return this.#closing;
  }

  /** Begins to build: what waits in the queue goes on, what was cut off has failed. Only for the one who serves the folder. */
  start(): void {
    for (const build of this.store.inState(Build_State.RUNNING)) this.#markCut(build);
    this.#cleaned.resolve(this.#clean());
    this.#cleaned.promise.then(
      () => this.#next(),
      (err) => this.#context.log.error({ err }, "Nothing can be built: the folder for builds cannot be used"),
    );
  }

  /**
   * @throws RouseError RESOURCE_EXHAUSTED BUILD_QUEUE_FULL, FAILED_PRECONDITION GIT_MISSING, PERMISSION_DENIED
   *   BUILD_NOT_FOR_STRANGERS.
   */
  async add(order: BuildOrder, caller: Caller): Promise<BuildRecord> {
    await checkStranger(this.#context, caller, order, async () => (await this.#open()).sandbox);
    await checkGit();
    const waiting = this.store.inState(Build_State.QUEUED);
    const own = waiting.filter(({ provider }) => provider === caller.id).length;
    if (waiting.length >= MOST_QUEUED || own >= MOST_QUEUED_EACH)
      throw new RouseError(
        "RESOURCE_EXHAUSTED",
        `${waiting.length} builds wait already, ${own} of them yours. Try again when some are done ("rouse builds" shows them).`,
        { reason: "BUILD_QUEUE_FULL" },
      );
    const build = this.store.add(order, caller, Date.now());
    const before = waiting.length + this.#running.size;
    if (before >= this.#parallel) {
      const line = `waits until ${before === 1 ? "a build has" : `${before} builds have`} ended`;
      this.store.append(build.seq, [{ atMs: Date.now(), step: "queue", line }]);
    }
    this.#cleaned.promise.then(
      () => this.#next(),
      () => undefined,
    );
    return build;
  }

  /**
   * Ends a build; resolves when nothing of it runs any more.
   *
   * @throws RouseError NOT_FOUND BUILD_UNKNOWN, PERMISSION_DENIED NOT_YOUR_BUILD, FAILED_PRECONDITION BUILD_ENDED.
   */
  async cancel(id: string, caller: Caller): Promise<void> {
    const build = this.store.get(id);
    if (!caller.administrator && caller.id !== build.provider)
      throw new RouseError(
        "PERMISSION_DENIED",
        `Build ${id} was started by ${build.provider}, and your key is ${caller.id}'s: only ${build.provider} and the administrator may cancel it.`,
        { reason: "NOT_YOUR_BUILD", metadata: { build: id } },
      );
    const reason = `Cancelled by ${caller.id === ADMINISTRATOR ? "the administrator" : caller.id}.`;
    if (build.state === Build_State.QUEUED) {
      this.#change(build, { state: Build_State.CANCELLED, reason, endedAtMs: Date.now() });
      return;
    }
    const running = this.#running.get(id);
    running?.stop.abort(new BuildStopped(reason, true));
    await running?.ended;
    const { state } = this.store.get(id);
    if (state === Build_State.CANCELLED && running !== undefined) return;
    throw new RouseError("FAILED_PRECONDITION", `Build ${id} has ended already: it ${endWord(state)}.`, {
      reason: "BUILD_ENDED",
      metadata: { build: id },
    });
  }

  /** Ends what runs; what waits stays in the queue. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    for (const { stop } of this.#running.values()) stop.abort(new BuildStopped(RESTARTED, false));
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
    await this.#runner?.then(
      (runner) => runner.close(),
      () => undefined,
    );
    await rmdir(outerFolder(this.#context.dataDir)).catch(() => undefined);
    this.news.tellAll();
    // Readers have their turn before the store is gone.
    await setImmediate();
    this.store.close();
  }

  async #clean(): Promise<void> {
    const { dataDir } = this.#context;
    for (const folder of [innerFolder(dataDir), outerFolder(dataDir)]) {
      for (const left of await readdir(folder).catch(() => [])) {
        // Programs of a former registry that was killed; where there are namespaces, they ended with it.
        endProcesses(left.replace(/-.*/, ""));
        await removeFolder(join(folder, left));
      }
    }
  }

  /** The sandbox is tried out when there is something to run in it. */
  #open(): Promise<Runner> {
    this.#runner ??= Runner.open(this.#context.dataDir, this.#limits);
    return this.#runner;
  }

  #next(): void {
    while (!this.#closing && this.#running.size < this.#parallel) {
      const [build] = this.store.inState(Build_State.QUEUED);
      if (build === undefined) return;
      this.#change(build, { state: Build_State.RUNNING });
      const stop = new AbortController();
      const ended = this.#run(build, stop.signal)
        .catch((err: unknown) => this.#broke(build, err))
        .then(() => {
          this.#running.delete(build.id);
          this.#next();
        });
      this.#running.set(build.id, { stop, ended });
    }
  }

  /** What is wrong with the registry's host, a full disk say. */
  #broke(build: BuildRecord, err: unknown): void {
    this.#context.log.error({ err, build: build.id }, "A build could not be run");
    const reason = `The registry could not run the build: ${RouseError.from(err).message}. Its own log has more.`;
    this.#runner = undefined;
    this.#change(build, { state: Build_State.FAILED, reason, endedAtMs: Date.now() });
  }

  async #run(build: BuildRecord, signal: AbortSignal): Promise<void> {
    const log = new BuildLog(this.store, build, this.#limits.logBytes, () => this.news.tell(build.id));
    await runBuild({
      context: this.#context,
      build,
      runner: await this.#open(),
      limits: this.#limits,
      log,
      signal,
      change: (change) => this.#change(build, change),
    });
  }

  #markCut(build: BuildRecord): void {
    const { seq, step } = build;
    this.store.append(seq, [{ atMs: Date.now(), step, line: RESTARTED }]);
    this.store.change(seq, { state: Build_State.FAILED, reason: RESTARTED, endedAtMs: Date.now() });
  }

  #change({ seq, id }: BuildRecord, change: BuildChange): void {
    this.store.change(seq, change);
    this.news.tell(id);
  }
}

/** Whether nothing of a build changes any more. */
export function hasEnded({ state }: Pick<Build, "state">): boolean {
  return state !== Build_State.QUEUED && state !== Build_State.RUNNING;
}

function endWord(state: Build["state"]): string {
  if (state === Build_State.SUCCEEDED) return "succeeded, and its version is registered";
  return state === Build_State.CANCELLED ? "was cancelled" : "failed";
}
