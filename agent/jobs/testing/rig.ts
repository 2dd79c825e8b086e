import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import {
  type Job,
  JobSpec,
  JobState,
  JobsClient,
  type WatchJobsResponse,
} from "#proto/rouse/agent/v1/jobs.ts";
import { unary } from "../../../sdk/grpc.ts";
import { MisbehaveRequest, MisbehaveResponse } from "../../../test/fixtures/jobs/gen/jobs/v1/jobs.ts";
import { type Bundle, bundle } from "../../build/bundle.ts";
import type { AgentOptions } from "../../options.ts";
import type { RunningAgent } from "../../server.ts";
import { type Rig, startRig } from "../../testing/rig.ts";

/** The service of test/fixtures/jobs. */
export const SERVICE = "jobs.v1.JobsService";
export const MEBIBYTE = 2 ** 20;
/** Longest wait for what must come, ms. */
const PATIENCE_MS = 120_000;

/** An agent with a bundle whose jobs do as they are told. */
export interface JobRig {
  readonly rig: Rig;
  readonly bundle: Bundle;
  readonly agent: RunningAgent;
  readonly client: JobsClient;
  /** Another agent on the same data folder, after this one has been closed. */
  restart(): Promise<void>;
  spec(method: string, request: Uint8Array, changes?: Partial<JobSpec>): JobSpec;
  /** A job that behaves in one of the ways of the fixture's. */
  misbehaves(how: string, targets?: readonly string[], changes?: Partial<JobSpec>): JobSpec;
  run(id: string, spec: JobSpec): Promise<Job>;
  /** As it is once it has ended. */
  ended(id: string): Promise<Job>;
  /** As it is once that holds, which it must before its end. */
  when(id: string, holds: (job: Job) => boolean): Promise<Job>;
  /** Runs a job to its end. */
  done(id: string, spec: JobSpec): Promise<Job>;
  /** What a job found that misbehaved. */
  found(id: string, how: string, targets?: readonly string[]): Promise<Record<string, string>>;
  close(): Promise<void>;
}

export async function startJobRig(options: Partial<AgentOptions> = {}): Promise<JobRig> {
  const rig = await startRig();
  const made = await bundle(join(import.meta.dirname, "../../../test/fixtures/jobs"));
  let agent: RunningAgent;
  let client: JobsClient;
  const start = async () => {
    const folder = join(rig.dataDir, "agent", "bundles");
    const started = await rig.start({ runtime: "docker", costPerHour: 10, ...options });
    started.close();
    if (started.agent === undefined) throw new Error("the agent is another process's");
    agent = started.agent;
    client?.close();
    client = new JobsClient(agent.address, credentials.createInsecure());
    await mkdir(folder, { recursive: true });
    await copyFile(made.file, join(folder, `${made.digest}.tar`));
  };
  await start();
  const when = async (id: string, holds: (job: Job) => boolean): Promise<Job> => {
    const stream = client.watchJobs({});
    const timer = setTimeout(() => stream.cancel(), PATIENCE_MS);
    let last: Job | undefined;
    try {
      for await (const { jobs } of stream as AsyncIterable<WatchJobsResponse>) {
        last = jobs.find((job) => job.id === id) ?? last;
        if (last !== undefined && holds(last)) return last;
      }
    } catch (cause) {
      throw new Error(`job ${id} never got there; last seen: ${JSON.stringify(last)}`, { cause });
    } finally {
      clearTimeout(timer);
      stream.on("error", () => undefined);
      stream.cancel();
    }
    throw new Error(`the stream of jobs ended while ${id} was waited for`);
  };
  const run = async (jobId: string, spec: JobSpec): Promise<Job> => {
    const { job } = await unary(client, "runJob", { jobId, spec });
    if (job === undefined) throw new Error("there is no job in the answer");
    return job;
  };
  const ended = (id: string) => when(id, ({ endedAtMs }) => endedAtMs > 0);
  const done = async (id: string, spec: JobSpec) => {
    await run(id, spec);
    return ended(id);
  };
  const spec = (method: string, request: Uint8Array, changes: Partial<JobSpec> = {}): JobSpec => {
    const program = InstanceSpec.fromPartial({
      service: SERVICE,
      version: "1.0.0",
      bundle: made.digest,
      cpu: 0.5,
      memoryBytes: 96 * MEBIBYTE,
    });
    return JobSpec.fromPartial({
      program,
      method,
      request: Buffer.from(request),
      diskBytes: 16 * MEBIBYTE,
      processes: 64,
      timeMs: 100_000,
      ...changes,
    });
  };
  const misbehaves = (how: string, targets: readonly string[] = [], changes: Partial<JobSpec> = {}) =>
    spec("Misbehave", MisbehaveRequest.encode({ how, targets: [...targets] }).finish(), changes);
  return {
    rig,
    bundle: made,
    get agent() {
      return agent;
    },
    get client() {
      return client;
    },
    async restart() {
      await agent.close();
      await start();
    },
    spec,
    misbehaves,
    run,
    ended,
    when,
    done,
    async found(id, how, targets) {
      const job = await done(id, misbehaves(how, targets));
      if (job.state !== JobState.SUCCEEDED) throw new Error(`job ${id} failed: ${job.error?.message}`);
      return MisbehaveResponse.decode(job.result ?? new Uint8Array()).found;
    },
    async close() {
      client.close();
      await rig.close();
    },
  };
}
