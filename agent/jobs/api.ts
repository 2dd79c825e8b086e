import type { ServerWritableStream } from "@grpc/grpc-js";
import type { LogLine } from "#proto/rouse/agent/v1/agent.ts";
import type {
  JobLogsRequest,
  JobsServer,
  WatchJobsRequest,
  WatchJobsResponse,
} from "#proto/rouse/agent/v1/jobs.ts";
import { answer, statusObject } from "../../sdk/answer.ts";
import type { Settlement } from "../settlement.ts";
import type { JobNews, Jobs } from "./jobs.ts";

/** The service rouse.agent.v1.Jobs. */
export function jobsService(jobs: Jobs, settlement: Settlement): JobsServer {
  return {
    runJob: answer(async ({ jobId, spec }) => {
      settlement.check();
      return { job: jobs.run(jobId, spec) };
    }),
    getJob: answer(async ({ jobId }) => ({ job: jobs.get(jobId) })),
    watchJobs: (call) => watch(jobs, call),
    stopJob: answer(async ({ jobId, graceMs, reason }) => ({ job: await jobs.stop(jobId, graceMs, reason) })),
    jobLogs: (call) => void logs(jobs, call),
    forgetJob: answer(async ({ jobId }) => {
      await jobs.forget(jobId);
      return {};
    }),
  };
}

function watch(jobs: Jobs, call: ServerWritableStream<WatchJobsRequest, WatchJobsResponse>): void {
  call.write({ jobs: [...jobs.all], all: true, forgotten: [] });
  const stop = jobs.watch(({ jobs: changed, forgotten }: JobNews) => {
    call.write({ jobs: [...changed], all: false, forgotten: [...forgotten] });
  });
  call.on("cancelled", stop);
  call.on("close", stop);
}

async function logs(jobs: Jobs, call: ServerWritableStream<JobLogsRequest, LogLine>): Promise<void> {
  const gone = new AbortController();
  call.on("cancelled", () => gone.abort());
  const { jobId, tail, follow } = call.request;
  try {
    for await (const line of jobs.logs(jobId, { tail, follow, signal: gone.signal })) {
      if (gone.signal.aborted) return;
      if (!call.write({ instanceId: jobId, ...line })) await drained(call, gone.signal);
    }
    call.end();
  } catch (thrown) {
    if (!gone.signal.aborted) call.emit("error", statusObject(thrown));
  }
}

/** Resolves when there is room again, or nobody is left to make it. */
function drained(call: ServerWritableStream<JobLogsRequest, LogLine>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    call.once("drain", resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
