import { type Job, JobState } from "#proto/rouse/agent/v1/jobs.ts";

const ENDED: ReadonlySet<JobState> = new Set([JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED]);

/** Whether nothing of the job runs any more, and its state is its last. */
export function hasEnded({ state }: Pick<Job, "state">): boolean {
  return ENDED.has(state);
}
