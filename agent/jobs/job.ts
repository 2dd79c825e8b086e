import type { Logger } from "pino";
import { type Job, type JobError, type JobOutput, JobState } from "#proto/rouse/agent/v1/jobs.ts";
import { clampEnd } from "../../registry/ends.ts";
import { RouseError } from "../../sdk/errors.ts";
import { hasEnded } from "../../sdk/job-states.ts";
import { steadyMs } from "../../sdk/steady.ts";
import { lastLines } from "../endings.ts";
import type { LogQuery, OutputLine } from "../runtimes/runtime.ts";
import type { ArtifactClient } from "./artifact-client.ts";
import { type Doom, type End, endOfJob } from "./ending.ts";
import { Gateway, type JobVoice } from "./gateway.ts";
import type { JobRecords } from "./records.ts";
import type { JobSandboxes, JobUnit } from "./sandboxes.ts";
import type { CheckedJob } from "./spec.ts";

/** How often it is looked what a job uses, ms. */
const LOOK_MS = 1_000;
/** Lines of output kept of a job that has ended. */
const KEPT_LINES = 10_000;
const GRACE_MS = 10_000;
/** Longest time of a Node timer, ms. */
const LONGEST_TIMER = 2 ** 31 - 1;

export interface JobContext {
  readonly sandboxes: JobSandboxes;
  readonly records: JobRecords;
  readonly artifacts: ArtifactClient;
  readonly log: Logger;
  /** Cost per hour of what the job has reserved. */
  readonly costPerHour: (spec: CheckedJob) => number;
  readonly changed: (job: ManagedJob) => void;
  /** What it held is free again. */
  readonly released: (job: ManagedJob) => void;
}

/** One job from its start to its end. */
export class ManagedJob implements JobVoice {
  readonly spec: CheckedJob;
  /** What the API tells of it; while it runs also what it has told of its end. */
  readonly #job: Job;
  readonly #context: JobContext;
  readonly #over = Promise.withResolvers<void>();
  readonly #launched = Promise.withResolvers<void>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #gateway: Gateway | undefined;
  #unit: JobUnit | undefined;
  #doom: Doom | undefined;
  #told: JobError | undefined;
  #stumbled: { readonly content: string; readonly error: JobError } | undefined;
  /** A former agent ended in the midst of what the job read or wrote, and nothing has been moved whole since. */
  #cutOff = false;
  #fullBefore = false;
  /** It has no more cores than it may. */
  #settled = false;

  constructor(job: Job, spec: CheckedJob, context: JobContext, doom?: Doom) {
    this.spec = spec;
    this.#job = job;
    this.#context = context;
    this.#doom = doom;
    this.#told = job.error;
    if (this.hasEnded) this.#over.resolve();
  }

  get id(): string {
    return this.#job.id;
  }

  get hasEnded(): boolean {
    return hasEnded(this.#job);
  }

  get endedAtMs(): number {
    return this.#job.endedAtMs;
  }

  get outputs(): readonly JobOutput[] {
    return this.#job.outputs;
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#job.metadata;
  }

  get writtenBytes(): number {
    return this.#job.used?.writtenBytes ?? 0;
  }

  get deadlineMs(): number {
    return (this.#job.startedAtMs || steadyMs()) + this.spec.timeMs;
  }

  /** Resolves when it has ended and nothing of it is left. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** As the API has it: what it has told of its end counts when it has ended. */
  toApi(): Job {
    const { result, resultJson, error, ...job } = this.#job;
    const succeeded = job.state === JobState.SUCCEEDED;
    return {
      ...job,
      result: succeeded ? result : undefined,
      resultJson: succeeded ? resultJson : undefined,
      error: this.hasEnded && !succeeded ? error : undefined,
    };
  }

  /** Starts its program, and sees to its end. @param room resolves when what it needs has been given back by others. */
  async run(room: Promise<void> | undefined): Promise<void> {
    const { sandboxes } = this.#context;
    try {
      await room;
      const folder = await this.#open();
      if (this.#doom !== undefined) return this.#finish(undefined);
      this.#follow(await sandboxes.start({ id: this.id, spec: this.spec, folder }));
    } catch (thrown) {
      await this.#finish(this.#unstarted(thrown));
    }
  }

  /** Takes it over from a former agent: its program runs, has ended, or was never started. */
  async adopt(): Promise<void> {
    try {
      const unit = await this.#context.sandboxes.adopt(this.id);
      if (unit === undefined && this.#job.state === JobState.STARTING) return this.run(undefined);
      if (unit === undefined) {
        this.#doom ??= { kind: "host", reason: "its container is gone" };
        return this.#finish(undefined);
      }
      this.#cutOff = this.#context.records.isStreaming(this.id);
      await this.#open();
      this.#follow(unit);
    } catch (thrown) {
      await this.#finish(this.#unstarted(thrown));
    }
  }

  /** Resolves when nothing is left of it. */
  async stop(graceMs: number, doom: Doom): Promise<void> {
    if (this.hasEnded) return this.over;
    if (this.#doom === undefined) {
      this.#setDoom(doom);
      if (this.#unit !== undefined) {
        await this.#unit.signal("SIGTERM");
        this.#after(graceMs || GRACE_MS, () => void this.#unit?.signal("SIGKILL"));
      }
    }
    return this.over;
  }

  /** Lets go of it: the next agent goes on. */
  detach(): void {
    this.#gateway?.close();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  async *logs(query: LogQuery): AsyncGenerator<OutputLine> {
    if (query.follow) await Promise.race([this.#launched.promise, this.over]);
    if (!this.hasEnded && this.#unit !== undefined) {
      try {
        yield* this.#unit.logs(query);
        return;
      } catch (error) {
        // It ended meanwhile: its lines are kept.
        if (query.signal?.aborted) return;
        await this.over;
        if (query.follow) throw error;
      }
    }
    yield* (await this.#context.records.output(this.id)).slice(-query.tail);
  }

  progress(fraction: number, note: string): void {
    this.#job.progress = { fraction, note };
    this.#changed(false);
  }

  note(notes: Readonly<Record<string, string>>): void {
    Object.assign(this.#job.metadata, notes);
    this.#changed(true);
  }

  output(output: JobOutput): void {
    this.#job.outputs = [...this.#job.outputs.filter(({ name }) => name !== output.name), output];
    this.#recovered(output.name);
    this.#changed(true);
  }

  async result(result: { readonly bytes: Buffer } | { readonly json: string }): Promise<void> {
    if ("json" in result) Object.assign(this.#job, { resultJson: result.json, result: undefined });
    else Object.assign(this.#job, { result: result.bytes, resultJson: undefined });
    await this.#measure();
    this.#changed(true);
  }

  async failed(error: JobError): Promise<void> {
    this.#told = error;
    this.#job.error = error;
    await this.#measure();
    this.#changed(true);
  }

  stumbled(content: string, { code, reason, message, metadata, status }: RouseError): void {
    const hostFault = status === "UNAVAILABLE";
    this.#stumbled = { content, error: { code, reason, message, metadata, hostFault, exitCode: undefined } };
  }

  streamed(content: string): void {
    this.#cutOff = false;
    this.#recovered(content);
  }

  streaming(streams: boolean): void {
    if (!this.#cutOff) this.#keep((records) => records.streaming(this.id, streams));
  }

  moved({ read = 0, written = 0 }: { readonly read?: number; readonly written?: number }): void {
    const { used } = this.#job;
    if (used === undefined) return;
    used.readBytes += read;
    used.writtenBytes += written;
  }

  #recovered(content: string): void {
    if (this.#stumbled?.content === content) this.#stumbled = undefined;
  }

  async #open(): Promise<string> {
    const { records, artifacts } = this.#context;
    const folder = records.makeFolder(this.id);
    const gateway = new Gateway(this, artifacts);
    await gateway.listen(folder);
    this.#gateway = gateway;
    return folder;
  }

  #follow(unit: JobUnit): void {
    this.#unit = unit;
    this.#launched.resolve();
    Object.assign(this.#job, { state: JobState.RUNNING, startedAtMs: unit.startedAtMs });
    this.#changed(true);
    this.#untilDeadline();
    this.#after(LOOK_MS, () => void this.#look());
    void unit.ended.then(async (ending) => {
      const output = await this.#keepOutput(unit);
      const { result, resultJson } = this.#job;
      const hasResult = result !== undefined || resultJson !== undefined;
      const known = { doom: this.#doom, told: this.#told, cutOff: this.#cutOff };
      const facts = { ending, hasResult, output, stumbled: this.#stumbled?.error, ...known };
      if (ending.outOfMemory) this.#peak(this.spec.program.memoryBytes + this.spec.diskBytes);
      return this.#finish(endOfJob(this.spec, facts));
    });
    // It was to end before it had begun, or before an agent was there to see to it.
    if (this.#doom !== undefined) void unit.signal("SIGKILL");
  }

  /** Takes back all that it had, then tells its end. */
  async #finish(end: End | undefined): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#account();
    this.#job.state = JobState.ENDING;
    this.#changed(false);
    await this.#gateway?.end();
    await this.#unit?.remove();
    this.#keep((records) => records.removeFolder(this.id));
    const ending = { exitCode: undefined, outOfMemory: false };
    const { state, ...told } =
      end ?? endOfJob(this.spec, { ending, doom: this.#doom, hasResult: false, output: "" });
    Object.assign(this.#job, {
      state: { succeeded: JobState.SUCCEEDED, failed: JobState.FAILED, stopped: JobState.STOPPED }[state],
      error: "error" in told ? told.error : undefined,
      endedAtMs: Date.now(),
    });
    this.#context.released(this);
    this.#changed(true);
    this.#over.resolve();
  }

  #unstarted(thrown: unknown): End {
    const { code, reason, message, metadata, status } = RouseError.from(thrown);
    // What is wrong with the image is wrong everywhere; the rest is this host's.
    const hostFault =
      status === "UNAVAILABLE" || reason === "ENGINE_REFUSED" || reason === "JOBS_UNSUPPORTED";
    const told = `${this.spec.method} of ${this.spec.program.service} ${this.spec.program.version} could not be started: ${message}`;
    return {
      state: "failed",
      error: { code, reason, message: told, metadata, hostFault, exitCode: undefined },
    };
  }

  async #keepOutput(unit: JobUnit): Promise<string> {
    try {
      const lines: OutputLine[] = [];
      for await (const line of unit.logs({ tail: KEPT_LINES, follow: false })) lines.push(line);
      if (lines.length > 0) await this.#context.records.keepOutput(this.id, lines);
      return lastLines(lines);
    } catch {
      // The engine is gone, and the output with it.
      return "";
    }
  }

  async #look(): Promise<void> {
    // A start has had the cores that it was lent for long enough.
    if (!this.#settled) await this.#settle();
    await this.#measure();
    const full = (await this.#unit?.scratchFull()) === true;
    // What is full for a moment is not full for good.
    if (full && this.#fullBefore) await this.#kill({ kind: "disk" });
    this.#fullBefore = full;
    if (!this.hasEnded) this.#after(LOOK_MS, () => void this.#look());
  }

  async #settle(): Promise<void> {
    try {
      await this.#unit?.settle(this.spec.program.cpu);
      this.#settled = true;
    } catch (err) {
      this.#context.log.warn({ err, job: this.id }, "a job is not limited yet, and will be soon");
    }
  }

  async #measure(): Promise<void> {
    const usage = await this.#unit?.usage();
    const { used } = this.#job;
    if (usage === undefined || used === undefined) return;
    used.cpuSeconds = Math.max(used.cpuSeconds, usage.cpuSeconds);
    this.#peak(usage.peakMemoryBytes);
  }

  #peak(bytes: number): void {
    const { used } = this.#job;
    if (used !== undefined) used.peakMemoryBytes = Math.max(used.peakMemoryBytes, bytes);
  }

  #account(): void {
    const { used, startedAtMs } = this.#job;
    if (used === undefined || startedAtMs === 0) return;
    used.wallMs = Math.max(1, Math.round(steadyMs() - startedAtMs));
    used.cost = (this.#context.costPerHour(this.spec) * used.wallMs) / 3_600_000;
  }

  #untilDeadline(): void {
    const nowMs = steadyMs();
    // The engine, or a former agent, may have said by another clock when it began.
    const leftMs = clampEnd(this.deadlineMs, this.spec.timeMs, nowMs) - nowMs;
    if (leftMs > LONGEST_TIMER) this.#after(LONGEST_TIMER, () => this.#untilDeadline());
    else this.#after(Math.max(0, leftMs), () => void this.#kill({ kind: "time" }));
  }

  async #kill(doom: Doom): Promise<void> {
    if (this.hasEnded) return;
    if (this.#doom === undefined) this.#setDoom(doom);
    await this.#unit?.signal("SIGKILL");
  }

  #setDoom(doom: Doom): void {
    this.#doom = doom;
    this.#keep((records) => records.doom(this.id, doom));
  }

  #after(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms).unref();
    this.#timers.add(timer);
  }

  /** @param save whether the next agent must know it. */
  #changed(save: boolean): void {
    this.#job.revision += 1;
    if (save) this.#keep((records) => records.save(this.#job));
    this.#context.changed(this);
  }

  /** A disk that is full must not end the agent: what it cannot keep for the next one it still knows itself. */
  #keep(work: (records: JobRecords) => void): void {
    try {
      work(this.#context.records);
    } catch (err) {
      this.#context.log.error({ err, job: this.id }, "a job's state cannot be kept on disk");
    }
  }
}
