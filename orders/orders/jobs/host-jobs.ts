import { setTimeout as sleep } from "node:timers/promises";
import { credentials } from "@grpc/grpc-js";
import { type Job, JobsClient, type WatchJobsResponse } from "#proto/rouse/agent/v1/jobs.ts";
import { unary } from "../../../sdk/grpc.ts";
import { steadyMs } from "../../../sdk/steady.ts";
import type { LogEntry } from "../store/engine-store.ts";

/** Pause before a host that does not answer is asked again, ms. */
const AGAIN_MS = 500;
/** A job that is stopped has its grace time, ms. */
const STOP_DEADLINE_MS = 60_000;
const LOGS_DEADLINE_MS = 30_000;
/** Taking a job in may wait for its host, ms. */
const RUN_DEADLINE_MS = 60_000;

/** The jobs of one host, as its agent tells them. */
export class HostJobs {
  readonly #client: JobsClient;
  readonly #jobs = new Map<string, Job>();
  readonly #listeners = new Set<() => void>();
  readonly #closing = new AbortController();
  /** Set while the stream is open and all was told. */
  #known = false;
  /** Since when it has not answered, ms since 1970; undefined: it does. */
  silentSinceMs: number | undefined = steadyMs();

  constructor(address: string) {
    this.#client = new JobsClient(address, credentials.createInsecure(), {
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
      // A host that was cut off leaves connections that lead nowhere.
      "grpc.keepalive_time_ms": 5_000,
      "grpc.keepalive_timeout_ms": 3_000,
      "grpc.enable_http_proxy": 0,
      // A result has 16 MiB at most; one message may hold several jobs.
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
    });
  }

  /** Follows what the host says of its jobs, until close. */
  start(): this {
    void this.#watch();
    return this;
  }

  /** @returns the job; undefined where the host has none of this id; "unknown" while it does not answer. */
  find(id: string): Job | undefined | "unknown" {
    return this.#jobs.get(id) ?? (this.#known ? undefined : "unknown");
  }

  get all(): Job[] {
    return [...this.#jobs.values()];
  }

  /** Told after each change, and when the host falls silent or speaks again. @returns ends it. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @throws RouseError as the agent's RunJob. */
  async runJob(request: Parameters<JobsClient["runJob"]>[0]): Promise<void> {
    const { job } = await unary(this.#client, "runJob", request, { deadlineMs: RUN_DEADLINE_MS });
    // News of the stream are never older.
    if (job !== undefined && !this.#jobs.has(job.id)) this.#jobs.set(job.id, job);
  }

  async stop(id: string, reason: string): Promise<void> {
    const { job } = await unary(
      this.#client,
      "stopJob",
      { jobId: id, graceMs: 0, reason },
      { deadlineMs: STOP_DEADLINE_MS },
    );
    if (job !== undefined) this.#put(job);
  }

  async forget(id: string): Promise<void> {
    await unary(this.#client, "forgetJob", { jobId: id }, { deadlineMs: STOP_DEADLINE_MS });
    this.#jobs.delete(id);
  }

  /** The output lines. @throws what grpc-js throws. */
  async *logs(id: string, follow: boolean, signal?: AbortSignal): AsyncGenerator<LogEntry> {
    const options = follow ? {} : { deadline: Date.now() + LOGS_DEADLINE_MS };
    const call = this.#client.jobLogs({ jobId: id, tail: 0, follow }, options);
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      if (signal?.aborted) return;
      for await (const { stream, atMs, line } of call as AsyncIterable<{
        stream: string;
        atMs: number;
        line: string;
      }>)
        yield { stream, atMs, line };
    } catch (error) {
      if (!signal?.aborted) throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
      call.cancel();
    }
  }

  close(): void {
    this.#closing.abort();
    this.#client.close();
  }

  async #watch(): Promise<void> {
    const closing = this.#closing.signal;
    while (!closing.aborted) {
      const call = this.#client.watchJobs({});
      const cancel = () => call.cancel();
      closing.addEventListener("abort", cancel, { once: true });
      try {
        for await (const told of call as AsyncIterable<WatchJobsResponse>) this.#heard(told);
      } catch {
        // It is asked again.
      } finally {
        closing.removeEventListener("abort", cancel);
      }
      this.#known = false;
      this.silentSinceMs ??= steadyMs();
      this.#tell();
      await sleep(AGAIN_MS, undefined, { signal: closing }).catch(() => undefined);
    }
  }

  #heard({ jobs, all, forgotten }: WatchJobsResponse): void {
    if (all) this.#jobs.clear();
    for (const job of jobs) this.#jobs.set(job.id, job);
    for (const id of forgotten) this.#jobs.delete(id);
    this.#known = true;
    this.silentSinceMs = undefined;
    this.#tell();
  }

  #put(job: Job): void {
    this.#jobs.set(job.id, job);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
