import type { Ending, LogQuery, OutputLine } from "../runtimes/runtime.ts";
import type { CheckedJob } from "./spec.ts";

/** What a job's programs have used so far. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly peakMemoryBytes: number;
}

/** A job's program in its sandbox. */
export interface JobUnit {
  /** When it was started, ms since 1970. */
  readonly startedAtMs: number;
  /** Its end, whoever brought it about. Never rejects. */
  readonly ended: Promise<Ending>;
  /** SIGTERM or SIGKILL to it; does nothing when it has ended. */
  signal(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Takes back the cores that it was lent for a quick start. @throws when that is to be tried again. */
  settle(cores: number): Promise<void>;
  /** undefined where it cannot be told, or not any more. */
  usage(): Promise<Usage | undefined>;
  /** Whether nothing more fits into its scratch space; false where that cannot be seen. */
  scratchFull(): Promise<boolean>;
  logs(query: LogQuery): AsyncIterable<OutputLine>;
  /** After its end: gives back all that it took, output included. Idempotent. */
  remove(): Promise<void>;
}

/** What is to be started. */
export interface JobLaunch {
  readonly id: string;
  readonly spec: CheckedJob;
  /** Folder on the host with the job's socket: the only thing of the host that it may reach. */
  readonly folder: string;
}

/** A way to run jobs on this host, each in a sandbox of its own. */
export interface JobSandboxes {
  /** @throws RouseError; then nothing is left behind. */
  start(launch: JobLaunch): Promise<JobUnit>;
  /** Finds the program of a former agent's job; undefined: it was never started. What was begun of it is removed then. */
  adopt(id: string): Promise<JobUnit | undefined>;
  /** Removes what belongs to no job of these. @returns what was removed, for the log. */
  sweep(ids: ReadonlySet<string>): Promise<readonly string[]>;
}
