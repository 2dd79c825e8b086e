import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { type Job, type JobSpec, JobState } from "#proto/rouse/agent/v1/jobs.ts";
import { instanceSpec } from "../../../orchestrator/agents.ts";
import type { MeshFollower } from "../../../registry/follower.ts";
import { DEFAULT_JOB } from "../../../registry/jobs.ts";
import { RouseError } from "../../../sdk/errors.ts";
import { hasEnded } from "../../../sdk/job-states.ts";
import { statusName } from "../../../sdk/status.ts";
import { steadyMs } from "../../../sdk/steady.ts";
import type { Contracts } from "../contract/contracts.ts";
import {
  type Attempt,
  type Ending,
  type Executor,
  NOTHING_USED,
  type Outcome,
  STOP,
} from "../engine/executor.ts";
import { lastLines } from "../logs.ts";
import type { LogEntry, Used } from "../store/engine-store.ts";
import { hostLost, resultOf } from "./errors.ts";
import type { Fleet } from "./fleet.ts";
import type { HostJobs } from "./host-jobs.ts";
import { jobId } from "./job-id.ts";

export interface JobsDeps {
  readonly fleet: Fleet;
  readonly mesh: MeshFollower;
  readonly contracts: Contracts;
  /** Who holds what an order has put out, such as "order:<id>". */
  readonly holderOf: (orderId: string) => string;
  readonly log: Logger;
}

/** It is looked at least so often whether a host is lost, ms. */
const LOOK_MS = 1_000;
/** Lines of a failed job that its error tells. */
const LAST_LINES = 10;

/** Tasks that are jobs: each attempt is a job of one host, whose id is the attempt, so that it is found again after any crash. */
export class Jobs implements Executor {
  readonly #deps: JobsDeps;
  /** Ids of jobs that somebody in this process waits for. */
  readonly claimed = new Set<string>();

  constructor(deps: JobsDeps) {
    this.#deps = deps;
  }

  async run(
    attempt: Attempt,
    progress: (fraction: number, note: string) => void,
    signal: AbortSignal,
  ): Promise<Ending | undefined> {
    const { key, task } = attempt;
    const id = jobId({ orderId: key.orderId, position: task.position, attempt: key.attempt });
    const host = task.host ?? "";
    this.claimed.add(id);
    try {
      const begun = await this.#begin(id, host, attempt, signal);
      const found = begun === "begun" ? await this.#follow(id, host, progress, signal) : begun;
      if (found === "aborted")
        return signal.reason === STOP ? await this.#stop(id, host, attempt) : undefined;
      if (found instanceof RouseError) return hostEnding(found);
      return await this.#ending(found, host, attempt);
    } finally {
      this.claimed.delete(id);
    }
  }

  /** Sees to it that the host has the job. @returns an error, of status RESOURCE_EXHAUSTED where the host has no room. */
  async #begin(
    id: string,
    host: string,
    attempt: Attempt,
    signal: AbortSignal,
  ): Promise<"begun" | "aborted" | RouseError> {
    for (;;) {
      if (signal.aborted) return "aborted";
      const lost = this.#lost(host);
      if (lost !== undefined) return lost;
      const jobs = this.#deps.fleet.at(host);
      const known = jobs?.find(id) ?? "absent";
      if (jobs !== undefined && known !== "unknown") {
        if (known !== "absent") return "begun";
        try {
          await jobs.runJob({ jobId: id, spec: await this.#spec(attempt) });
          return "begun";
        } catch (thrown) {
          const error = RouseError.from(thrown);
          // Of another description: it is the one that an earlier leader has begun.
          if (error.status === "ALREADY_EXISTS") return "begun";
          if (error.status !== "UNAVAILABLE" && error.status !== "DEADLINE_EXCEEDED") return error;
        }
      }
      await sleep(LOOK_MS / 2, undefined, { signal }).catch(() => undefined);
    }
  }

  async #spec({ key, task, request, requestJson, inputs }: Attempt): Promise<JobSpec> {
    const { service, version, method } = task;
    const state = (await this.#deps.mesh.state()).services.get(service)?.versions.get(version);
    const known = state?.manifest.methods.find(({ name }) => name === method);
    if (state === undefined || known === undefined) {
      throw new RouseError(
        "NOT_FOUND",
        `${service} ${version} is not registered any more. Register it again, then retry the order.`,
        { reason: "VERSION_UNKNOWN", metadata: { service, version } },
      );
    }
    const { diskBytes, processes, outputBytes } = known.job ?? DEFAULT_JOB;
    return {
      program: { ...instanceSpec(state), mounts: [] },
      method,
      request,
      requestJson,
      inputs: { ...inputs },
      metadata: task.metadata,
      holder: this.#deps.holderOf(key.orderId),
      diskBytes,
      processes,
      outputBytes,
      timeMs: task.deadline_ms,
      attempt: key.attempt - 1,
    };
  }

  async #follow(
    id: string,
    host: string,
    progress: (fraction: number, note: string) => void,
    signal: AbortSignal,
  ): Promise<Job | "aborted" | RouseError> {
    let told = "";
    for (;;) {
      if (signal.aborted) return "aborted";
      const lost = this.#lost(host);
      if (lost !== undefined) return lost;
      const jobs = this.#deps.fleet.at(host);
      const job = jobs?.find(id) ?? "absent";
      if (jobs !== undefined && job === "absent")
        return hostLost(host, "its agent knows nothing of the job any more");
      if (typeof job === "object") {
        if (hasEnded(job)) return job;
        const { fraction = 0, note = "" } = job.progress ?? {};
        const now = JSON.stringify([fraction, note]);
        if (job.progress !== undefined && now !== told) progress(fraction, note);
        told = now;
      }
      await changed(jobs, signal);
    }
  }

  async #stop(id: string, host: string, attempt: Attempt): Promise<Ending | undefined> {
    const jobs = this.#deps.fleet.at(host);
    try {
      await jobs?.stop(id, "the order was cancelled");
      const job = jobs?.find(id);
      if (typeof job === "object") return await this.#ending(job, host, attempt);
    } catch (err) {
      // What is left of it is swept when the host answers again.
      this.#deps.log.warn({ err, job: id, host }, "a job of a cancelled order was not stopped yet");
    }
    return undefined;
  }

  #lost(host: string): RouseError | undefined {
    const why = this.#deps.fleet.lost(host, steadyMs());
    return why === undefined ? undefined : hostLost(host, why);
  }

  async #ending(job: Job, host: string, attempt: Attempt): Promise<Ending> {
    const lines = lastLines(await this.#lines(job.id, host));
    return {
      outcome: await this.#outcome(job, attempt, lines),
      used: usedBy(job),
      lines,
      recorded: async () => {
        // One that is not forgotten now is swept later.
        await this.#deps.fleet
          .at(host)
          ?.forget(job.id)
          .catch(() => undefined);
      },
    };
  }

  async #lines(id: string, host: string): Promise<LogEntry[]> {
    const lines: LogEntry[] = [];
    try {
      for await (const line of this.#deps.fleet.at(host)?.logs(id, false) ?? []) lines.push(line);
    } catch (err) {
      this.#deps.log.warn({ err, job: id, host }, "the output of a job was not fetched whole");
      lines.push({ stream: "order", atMs: Date.now(), line: "the host did not tell all output lines" });
    }
    return lines;
  }

  async #outcome(job: Job, { task }: Attempt, lines: readonly LogEntry[]): Promise<Outcome> {
    if (job.state !== JobState.SUCCEEDED) {
      const { code = 2, reason = "", message = "", metadata = {}, hostFault = false } = job.error ?? {};
      const status = statusName(code) ?? "UNKNOWN";
      const error = new RouseError(status, withLastLines(message, lines), {
        ...(reason === "" ? {} : { reason }),
        metadata,
      });
      return { kind: "failed", error, blame: hostFault ? "host" : "task" };
    }
    const { descriptor, types } = await this.#deps.contracts.method(task.service, task.version, task.method);
    try {
      const result = resultOf(job, descriptor.output, types);
      const outputs = job.outputs.map(({ name, uri, bytes, mediaType }) => ({ name, uri, bytes, mediaType }));
      return { kind: "succeeded", result, outputs, said: job.metadata };
    } catch (thrown) {
      return { kind: "failed", error: RouseError.from(thrown), blame: "task" };
    }
  }
}

/** Resolves with the host's next news, when the signal aborts, or after a second: a host that is lost tells nothing. */
async function changed(jobs: HostJobs | undefined, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const end = () => over.abort();
  const unlisten = jobs?.listen(end);
  signal.addEventListener("abort", end, { once: true });
  try {
    if (signal.aborted) return;
    await sleep(LOOK_MS, undefined, { signal: over.signal }).catch(() => undefined);
  } finally {
    unlisten?.();
    signal.removeEventListener("abort", end);
  }
}

function hostEnding(error: RouseError): Ending {
  if (error.status === "RESOURCE_EXHAUSTED" || error.reason === "JOBS_UNSUPPORTED")
    return { outcome: { kind: "refused", error }, used: NOTHING_USED, lines: [] };
  const blame = error.reason === "HOST_LOST" ? "host" : "task";
  return { outcome: { kind: "failed", error, blame }, used: NOTHING_USED, lines: [] };
}

function usedBy({ used }: Job): Used {
  if (used === undefined) return NOTHING_USED;
  return {
    wallMs: used.wallMs,
    cpuMs: used.cpuSeconds * 1_000,
    memoryPeakBytes: used.peakMemoryBytes,
    readBytes: used.readBytes,
    writtenBytes: used.writtenBytes,
    cost: used.cost,
  };
}

/** The message with the last lines of output, unless it has them already. */
function withLastLines(message: string, lines: readonly LogEntry[]): string {
  const last = lines.slice(-LAST_LINES).map(({ line }) => line);
  const [end] = last.slice(-1);
  if (end === undefined || message.includes(end)) return message;
  return `${message} Its last lines:\n  ${last.join("\n  ")}`;
}
