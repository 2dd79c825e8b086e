import { setTimeout as sleep } from "node:timers/promises";
import { recordOf } from "../error-record.ts";
import { RouseError } from "../errors.ts";
import type { Entry } from "./entry.ts";
import { stepFailed } from "./errors.ts";
import type { StepCall, StepOptions } from "./types.ts";
import { encodeValue } from "./values.ts";

const PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** Does a step, with its retries, and says how it ended as a journal keeps it. */
export async function runStep(
  name: string,
  work: (call: StepCall) => unknown,
  { retries = 0, pauseMs = PAUSE_MS, retryIf = () => true }: StepOptions,
  call: Omit<StepCall, "attempt">,
): Promise<Pick<Entry, "done" | "value" | "error">> {
  for (let attempt = 1; ; attempt += 1) {
    let result: unknown;
    try {
      result = await work({ ...call, attempt });
    } catch (thrown) {
      if (attempt > retries || call.signal.aborted || !retryIf(thrown)) return failed(name, thrown);
      const pause = Math.min(pauseMs * 2 ** (attempt - 1), LONGEST_PAUSE_MS);
      await sleep(pause, undefined, { signal: call.signal }).catch(() => undefined);
      continue;
    }
    try {
      const value = encodeValue(result, `The result of step ${JSON.stringify(name)}`);
      return { done: true, value: Buffer.from(value), error: undefined };
    } catch (thrown) {
      // Another attempt would return its like.
      return failed(name, thrown);
    }
  }
}

function failed(name: string, thrown: unknown): Pick<Entry, "done" | "value" | "error"> {
  const error = thrown instanceof RouseError ? thrown : stepFailed(name, thrown);
  return { done: true, value: Buffer.alloc(0), error: recordOf(error) };
}
