import { credentials } from "@grpc/grpc-js";
import { type Job, JobsClient, type WatchJobsResponse } from "#proto/rouse/agent/v1/jobs.ts";
import { OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { RouseError } from "../sdk/errors.ts";
import { callError, unary } from "../sdk/grpc.ts";
import { hasEnded } from "../sdk/job-states.ts";
import { readMesh, withClient } from "./connect.ts";

/** A job, as far as people are told of it. */
export type ShownJob = Pick<Job, "id" | "service" | "version" | "method">;

/**
 * Waits for the jobs of a host, and tells each that ends.
 *
 * @param until They are waited for until this aborts.
 * @returns those that are left then.
 */
export async function awaitJobs(
  host: string,
  until: AbortSignal,
  say: (line: string) => void,
): Promise<readonly ShownJob[]> {
  const { hosts } = await withClient(OrchestratorClient, readMesh().control, (client) =>
    unary(client, "getStatus", {}),
  );
  const address = hosts.find(({ name }) => name === host)?.address;
  let before: readonly ShownJob[] | undefined;
  try {
    if (address !== undefined)
      for await (const running of watchRunning(address, until)) {
        for (const line of jobProgress(host, before, running)) say(line);
        before = running;
        if (running.length === 0) return [];
      }
  } catch (thrown) {
    const error = RouseError.from(thrown);
    if (error.status !== "UNAVAILABLE") throw error;
    say(`The agent of ${host} does not answer: whether jobs run there is not known.`);
    return [];
  }
  return before ?? [];
}

/** What has changed of a host's jobs, for people. */
export function jobProgress(
  host: string,
  before: readonly ShownJob[] | undefined,
  now: readonly ShownJob[],
): string[] {
  const words = ({ id, service, version, method }: ShownJob) => `job ${id} (${service}/${method} ${version})`;
  if (before === undefined)
    return now.length === 0
      ? []
      : [`${host} waits for ${count(now.length)} to end:`, ...now.map((one) => `  ${words(one)}`)];
  const left = new Set(now.map(({ id }) => id));
  const gone = before.filter(({ id }) => !left.has(id));
  return gone.map((one, at) => `${words(one)} has ended; ${count(now.length + gone.length - at - 1)} to go`);
}

function count(jobs: number): string {
  return jobs === 1 ? "1 job" : `${jobs} jobs`;
}

/** The jobs that run on a host, then each change. */
async function* watchRunning(address: string, until: AbortSignal): AsyncGenerator<readonly Job[]> {
  const client = new JobsClient(address, credentials.createInsecure());
  const stream = client.watchJobs({});
  const end = () => stream.cancel();
  until.addEventListener("abort", end, { once: true });
  const running = new Map<string, Job>();
  try {
    for await (const { jobs, forgotten } of stream as AsyncIterable<WatchJobsResponse>) {
      for (const id of forgotten) running.delete(id);
      for (const job of jobs) {
        if (hasEnded(job)) running.delete(job.id);
        else running.set(job.id, job);
      }
      yield [...running.values()];
    }
  } catch (error) {
    if (!until.aborted) throw callError(error);
  } finally {
    until.removeEventListener("abort", end);
    stream.on("error", () => undefined).cancel();
    client.close();
  }
}
