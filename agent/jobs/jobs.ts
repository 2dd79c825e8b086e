import type { Logger } from "pino";
import type { InstanceSpec, JobsHeld } from "#proto/rouse/agent/v1/agent.ts";
import { type Job, type JobSpec, JobState } from "#proto/rouse/agent/v1/jobs.ts";
import { hourlyCost } from "../../registry/hourly-cost.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Capacity } from "../capacity.ts";
import type { LogQuery, OutputLine } from "../runtimes/runtime.ts";
import { checkId } from "../spec.ts";
import type { ArtifactClient } from "./artifact-client.ts";
import type { Doom } from "./ending.ts";
import { ManagedJob } from "./job.ts";
import type { JobRecords } from "./records.ts";
import type { JobSandboxes } from "./sandboxes.ts";
import { type CheckedJob, checkJob, reservedFor, sameJob } from "./spec.ts";

/** So long a job is remembered that nobody forgets, ms. */
const KEEP_MS = 86_400_000;
const TIDY_MS = 60_000;
/** Changes are gathered for so long before they are told, ms. */
const GATHER_MS = 20;
/** Lines of a job's output that are told when nobody says how many. */
const ALL_LINES = 10_000;

export interface JobsParts {
  /** undefined: this host runs none. */
  readonly sandboxes: JobSandboxes | undefined;
  /** Why it runs none. */
  readonly reason: string;
  readonly records: JobRecords;
  readonly artifacts: ArtifactClient;
  readonly capacity: Capacity;
  readonly costPerHour: number;
  /** Makes room for what a spec needs. */
  readonly makeRoom: (spec: InstanceSpec) => Promise<void>;
  readonly log: Logger;
}

/** What has changed since the last answer. */
export interface JobNews {
  readonly jobs: readonly Job[];
  readonly forgotten: readonly string[];
}

/** All jobs of this host. */
export class Jobs {
  readonly #parts: JobsParts;
  readonly #jobs = new Map<string, ManagedJob>();
  readonly #watchers = new Set<(news: JobNews) => void>();
  readonly #news = { changed: new Set<ManagedJob>(), forgotten: new Set<string>() };
  #gathering: NodeJS.Timeout | undefined;
  #tidier: NodeJS.Timeout | undefined;

  constructor(parts: JobsParts) {
    this.#parts = parts;
  }

  get all(): readonly Job[] {
    return [...this.#jobs.values()].map((job) => job.toApi());
  }

  /** Digests of the bundles that jobs run from. */
  get bundles(): readonly string[] {
    return this.#running.map(({ spec }) => spec.program.bundle);
  }

  /** What those that have not ended have reserved, together. */
  get held(): JobsHeld {
    const held = { jobs: 0, cpu: 0, memoryBytes: 0, gpu: 0 };
    for (const { spec } of this.#running) {
      const { cpu, memoryBytes, gpu } = reservedFor(spec);
      held.jobs += 1;
      held.cpu += cpu;
      held.memoryBytes += memoryBytes;
      held.gpu += gpu;
    }
    return held;
  }

  get #running(): ManagedJob[] {
    return [...this.#jobs.values()].filter((job) => !job.hasEnded);
  }

  /** Adopts the jobs of a former agent, and removes what it left otherwise. To be called once, at first. */
  async recover(): Promise<void> {
    const { records, sandboxes, log, capacity } = this.#parts;
    for (const { spec, job, doom } of records.load()) {
      const managed = new ManagedJob(job, spec, this.#context(), doom);
      this.#jobs.set(job.id, managed);
      if (!managed.hasEnded) capacity.take(holder(job.id), reservedFor(spec));
    }
    const running = this.#running;
    records.sweep(running.map(({ id }) => id));
    for (const what of (await sandboxes?.sweep(new Set(running.map(({ id }) => id)))) ?? [])
      log.info({ what }, "removed what a former agent left of a job");
    for (const job of running) void job.adopt();
    this.#tidier = setInterval(() => this.#tidy(), TIDY_MS).unref();
  }

  /**
   * As RunJob of the API.
   *
   * @throws RouseError JOBS_UNSUPPORTED, JOB_UNSAVED, JOB_ID_TAKEN, HOST_FULL, HOST_TOO_SMALL, and as {@link checkJob}.
   */
  run(id: string, given: JobSpec | undefined): Job {
    checkId(id);
    const spec = checkJob(given);
    const known = this.#jobs.get(id);
    if (known !== undefined) {
      if (sameJob(known.spec, spec)) return known.toApi();
      throw new RouseError(
        "ALREADY_EXISTS",
        `Job ${id} exists with another description. Choose another id.`,
        {
          reason: "JOB_ID_TAKEN",
        },
      );
    }
    const { sandboxes, reason, records, capacity, makeRoom } = this.#parts;
    if (sandboxes === undefined) throw unsupported(capacity.host, reason);
    const needs = reservedFor(spec);
    const room = makeRoom(needs);
    capacity.reserve(holder(id), needs);
    const job = newJob(id, spec);
    try {
      records.create(job, spec);
    } catch (cause) {
      capacity.release(holder(id));
      records.forget(id);
      throw unsaved(capacity.host, cause);
    }
    const managed = new ManagedJob(job, spec, this.#context());
    this.#jobs.set(id, managed);
    this.#tell(managed);
    void managed.run(room);
    return managed.toApi();
  }

  /** @throws RouseError NOT_FOUND JOB_UNKNOWN. */
  get(id: string): Job {
    return this.#known(id).toApi();
  }

  /** As StopJob of the API. */
  async stop(id: string, graceMs: number, reason: string): Promise<Job> {
    const job = this.#known(id);
    await job.stop(graceMs, { kind: "stopped", reason: reason || "somebody stopped it" });
    return job.toApi();
  }

  async stopAll(reason: string): Promise<void> {
    const doom: Doom = { kind: "host", reason };
    await Promise.all(this.#running.map((job) => job.stop(0, doom)));
  }

  /** As ForgetJob of the API. */
  async forget(id: string): Promise<void> {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    await job.stop(0, { kind: "stopped", reason: "it was forgotten" });
    this.#forget(job);
  }

  logs(id: string, { tail, ...query }: LogQuery): AsyncIterable<OutputLine> {
    return this.#known(id).logs({ ...query, tail: tail || ALL_LINES });
  }

  /** Tells each change. @returns what stops that. */
  watch(watcher: (news: JobNews) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Lets go of all jobs: the next agent goes on with them. */
  close(): void {
    clearTimeout(this.#gathering);
    clearInterval(this.#tidier);
    for (const job of this.#running) job.detach();
    this.#parts.artifacts.close();
  }

  #known(id: string): ManagedJob {
    const job = this.#jobs.get(id);
    if (job !== undefined) return job;
    const shown = JSON.stringify(id.slice(0, 80));
    throw new RouseError(
      "NOT_FOUND",
      `Host "${this.#parts.capacity.host}" has no job ${shown}: it never had, or was told to forget it.`,
      { reason: "JOB_UNKNOWN" },
    );
  }

  #context() {
    const { sandboxes, records, artifacts, log, capacity, reason, costPerHour } = this.#parts;
    return {
      sandboxes: sandboxes ?? noSandboxes(capacity.host, reason),
      records,
      artifacts,
      log,
      costPerHour: (spec: CheckedJob) => {
        const { cpu, memoryBytes, gpu } = reservedFor(spec);
        const { total } = capacity;
        const host = { cpu: total.cpu, memory: total.memoryBytes, gpu: total.gpu, costPerHour };
        return hourlyCost({ cpu, memory: memoryBytes, gpu }, host);
      },
      changed: (job: ManagedJob) => this.#tell(job),
      released: ({ id }: ManagedJob) => capacity.release(holder(id)),
    };
  }

  #tidy(): void {
    for (const job of this.#jobs.values())
      if (job.hasEnded && Date.now() - job.endedAtMs > KEEP_MS) this.#forget(job);
  }

  #forget(job: ManagedJob): void {
    const { id } = job;
    if (this.#jobs.get(id) !== job) return;
    this.#jobs.delete(id);
    this.#parts.records.forget(id);
    this.#news.changed.delete(job);
    this.#news.forgotten.add(id);
    this.#gather();
  }

  #tell(job: ManagedJob): void {
    this.#news.changed.add(job);
    this.#gather();
  }

  #gather(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      const { changed, forgotten } = this.#news;
      const news = { jobs: [...changed].map((job) => job.toApi()), forgotten: [...forgotten] };
      changed.clear();
      forgotten.clear();
      for (const watcher of this.#watchers) watcher(news);
    }, GATHER_MS);
  }
}

/** Its name among what is reserved, which instances' ids cannot be. */
function holder(id: string): string {
  return `job:${id}`;
}

/** A job that was just taken in. */
export function newJob(id: string, { program, method }: CheckedJob): Job {
  return {
    id,
    service: program.service,
    version: program.version,
    method,
    state: JobState.STARTING,
    acceptedAtMs: Date.now(),
    startedAtMs: 0,
    endedAtMs: 0,
    progress: undefined,
    metadata: {},
    outputs: [],
    result: undefined,
    resultJson: undefined,
    error: undefined,
    used: { cpuSeconds: 0, peakMemoryBytes: 0, wallMs: 0, cost: 0, readBytes: 0, writtenBytes: 0 },
    revision: 1,
  };
}

function unsaved(host: string, cause: unknown): RouseError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `Host "${host}" cannot note a job down (${why}). Make room in its data folder, or have the job elsewhere.`,
    { reason: "JOB_UNSAVED", metadata: { host }, cause },
  );
}

/** Jobs of a former agent that had an engine. */
function noSandboxes(host: string, reason: string): JobSandboxes {
  const refuse = () => Promise.reject(unsupported(host, reason));
  return { start: refuse, adopt: refuse, sweep: async () => [] };
}

function unsupported(host: string, reason: string): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `Host "${host}" runs no jobs: their sandbox needs a Docker engine, and ${reason}. Start an engine there and the agent anew, or add a host that has one.`,
    { reason: "JOBS_UNSUPPORTED", metadata: { host } },
  );
}
