/** What one build may use. */
export interface BuildLimits {
  /** From its first step to its end, ms. */
  readonly timeMs: number;
  /** Of its scratch folder: clone, dependencies and what its steps write; bytes. */
  readonly diskBytes: number;
  /** Of all processes of a step together where a cgroup can be made, else of each one; bytes. */
  readonly memoryBytes: number;
  /** Processes and threads of a step, where a cgroup can be made. */
  readonly pids: number;
  /** Kept of the log, bytes; then the last lines of each step only. */
  readonly logBytes: number;
  /** A step that writes more is ended, bytes. */
  readonly outputBytes: number;
}

export const defaultLimits: BuildLimits = {
  timeMs: 15 * 60_000,
  diskBytes: 2 * 2 ** 30,
  memoryBytes: 4 * 2 ** 30,
  pids: 1024,
  logBytes: 2 ** 20,
  outputBytes: 64 * 2 ** 20,
};

/** Builds that run at the same time. */
export const DEFAULT_PARALLEL = 1;
/** Builds that may wait. */
export const MOST_QUEUED = 100;
/** Those of one provider. */
export const MOST_QUEUED_EACH = 20;
/** Builds that are kept, with their logs. */
export const MOST_KEPT = 200;
