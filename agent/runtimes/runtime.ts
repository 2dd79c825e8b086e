import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import type { JobSandboxes } from "../jobs/sandboxes.ts";

export const runtimeNames = ["docker", "process", "in-process"] as const;
export type RuntimeName = (typeof runtimeNames)[number];

/** What a runtime is asked to start. */
export interface Launch {
  /** Instance id. */
  readonly id: string;
  readonly spec: InstanceSpec;
  /** Aborted when the instance is stopped while it starts: the runtime leaves nothing behind and throws. */
  readonly signal: AbortSignal;
  /** To be called once the artifact is at hand and whatever runs it is created. */
  readonly created: () => void;
}

/** How a unit ended. Undefined where nobody saw it, as with a process that ended while no agent ran. */
export interface Ending {
  readonly exitCode?: number | undefined;
  /** Such as "SIGKILL". */
  readonly signal?: string | undefined;
  /** The kernel (or V8) ended it for its memory. */
  readonly outOfMemory: boolean;
  /** What the runtime has to say beyond that, such as "the Docker engine went away". */
  readonly detail?: string | undefined;
}

/** One line of output. */
export interface OutputLine {
  readonly stream: "stdout" | "stderr";
  /** Milliseconds since 1970; 0 when unknown. */
  readonly atMs: number;
  readonly line: string;
}

/** A line that can be asked for again. */
export interface PlacedLine extends OutputLine {
  /** Grows along a stream: bytes since its beginning, or the time in microseconds. */
  readonly position: number;
}

/** Up to where each stream is known; 0: nothing. */
export interface Positions {
  readonly stdout: number;
  readonly stderr: number;
}

/** Which lines of the past, and whether to go on with those to come. */
export interface LogQuery {
  /** Lines from the past; 0: none. */
  readonly tail: number;
  readonly follow: boolean;
  /** Ends a stream that follows. */
  readonly signal?: AbortSignal;
}

/** Something that runs: a container, a process, a thread. */
export interface Unit {
  /** Process or container id, for people. */
  readonly runtimeId: string;
  /** What {@link Runtime.adopt} needs to find it again, as JSON. */
  readonly handle: Readonly<Record<string, unknown>>;
  /** The name it announces itself by on the notify socket. */
  readonly notifyName: string;
  /** IP by which it is reached, where that differs from the one it announces. */
  readonly ip: string | undefined;
  /**
   * Where other hosts reach what this one reaches at an address, or undefined: nowhere. There is no such function on a host that
   * has no others.
   */
  readonly outside: ((address: string) => string | undefined) | undefined;
  /** Where it is expected to listen; undefined: wherever it announces. */
  readonly expected: string | undefined;
  /** Its end, whoever brought it about. Never rejects. */
  readonly ended: Promise<Ending>;
  /** SIGTERM, or what stands for it. Does nothing when it has ended. */
  terminate(): Promise<void>;
  /** SIGKILL, or what stands for it. Does nothing when it has ended. */
  kill(): Promise<void>;
  /**
   * Keeps it from running until {@link resume}; it costs no CPU and keeps its sockets. To be called again does nothing.
   *
   * @throws RouseError FAILED_PRECONDITION SUSPEND_UNSUPPORTED, SUSPEND_FAILED.
   */
  suspend(): Promise<void>;
  /** Lets it run again: resolves when it does. Does nothing to one that runs; throws when it cannot be done. */
  resume(): Promise<void>;
  /** Whether it is kept from running. */
  suspended(): Promise<boolean>;
  /** Connections to its server ("host:port") that it has not accepted yet; 0 where that is not to be seen. */
  pending(address: string): Promise<number>;
  /** It serves: takes back what it was lent for a quick start. */
  settle(): Promise<void>;
  /** TCP addresses that it listens on, for messages; undefined where that cannot be seen. */
  listening(): Promise<readonly string[] | undefined>;
  logs(query: LogQuery): AsyncIterable<OutputLine>;
  /** All lines behind the positions that are still there, and those to come until its end, or the signal's. */
  linesAfter(positions: Positions, signal: AbortSignal): AsyncIterable<PlacedLine>;
  /** After its end: gives back all that it took, but keeps its output for {@link Runtime.endedLogs}. Idempotent. */
  remove(): Promise<void>;
}

/** A way to run instances on this host. */
export interface Runtime {
  readonly name: RuntimeName;
  /** Limits that are not enforced here, each with its reason. */
  readonly unenforced: readonly string[];
  /** What people should know of it beside, one line each, without a full stop. */
  readonly warnings: readonly string[];
  /** Runs jobs; undefined where there is no sandbox for them. */
  readonly jobs: JobSandboxes | undefined;
  /** Units that stand ready to be started. */
  precreated(): number;
  /** Makes a later start of this spec quick. @returns true when a pre-created unit stands ready. */
  prepare(spec: InstanceSpec): Promise<boolean>;
  /** Undoes {@link prepare} of any spec of this version. */
  forget(service: string, version: string): Promise<void>;
  /** @throws RouseError; then nothing is left behind. */
  start(launch: Launch): Promise<Unit>;
  /** Finds a unit of a former agent; undefined when it no longer runs. */
  adopt(id: string, spec: InstanceSpec, handle: Readonly<Record<string, unknown>>): Promise<Unit | undefined>;
  /**
   * Removes what this agent's data folder once started and no unit stands for.
   *
   * @param bundles digests of those in use; what was made of others long ago may go.
   * @returns what was removed, for the log.
   */
  sweep(bundles: ReadonlySet<string>): Promise<readonly string[]>;
  /** Lets go of the engine: pre-created units end, running ones do not. */
  close(): Promise<void>;
}
