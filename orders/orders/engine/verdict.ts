import type { RouseError } from "../../../sdk/errors.ts";
import { mayPass, pauseMs } from "../backoff.ts";

/** What becomes of a task whose attempt has failed. */
export type Verdict =
  | { readonly again: true; readonly afterMs: number; readonly counted: boolean }
  | { readonly again: false };

/** So often a task is begun anew because of its host: one that ends its hosts must end as well. */
const MOST_HOST_FAULTS = 5;

export interface Failure {
  readonly error: Pick<RouseError, "status" | "reason">;
  readonly blame: "task" | "host";
  /** Failures before this one that were the task's own. */
  readonly failures: number;
  /** Those for which hosts were to blame. */
  readonly faults: number;
  readonly retries: number;
}

/** Whether a task is tried again, and when. What hosts are to blame for does not count, up to five times. */
export function judge({ error, blame, failures, faults, retries }: Failure): Verdict {
  if (blame === "host") {
    return faults < MOST_HOST_FAULTS
      ? { again: true, afterMs: pauseMs(faults + 1), counted: false }
      : { again: false };
  }
  if (!mayPass(error) || failures >= retries) return { again: false };
  return { again: true, afterMs: pauseMs(failures + 1), counted: true };
}
