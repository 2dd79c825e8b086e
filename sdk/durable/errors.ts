import { inspect } from "node:util";
import { RouseError } from "../errors.ts";
import { describeEntry, type Entry } from "./entry.ts";
import type { Asked, Outcome } from "./machine.ts";

/** What is wrong with an operation that the journal has otherwise; undefined: nothing. */
export function differs(recorded: Entry, asked: Asked): { recorded: string; now: string } | undefined {
  const before = describeEntry(recorded);
  const now = describeEntry(asked);
  if (recorded.kind !== asked.kind || recorded.name !== asked.name) return { recorded: before, now };
  const { digest } = asked;
  if (digest === undefined || recorded.digest.length === 0 || recorded.digest.equals(digest))
    return undefined;
  return { recorded: before, now: `${now} with another request` };
}

/** The function's path differs from that of its journal. */
export function notDeterministic(index: number, recorded: string, now: string): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `The function took another path than before: at step ${index} its journal has ${recorded}, and now it is ${now}. ` +
      "Either its code was changed under a run: register the change as a new version, for runs stay with the version that they began with, " +
      'or keep the old path beside the new one: if (run.patched("name")) { new } else { old }. ' +
      "Or it decides by something that is not in the journal: take the time from run.now(), random numbers from run.random(), and whatever else comes from outside from run.step().",
    { reason: "RUN_NOT_DETERMINISTIC", metadata: { index: String(index), recorded, now } },
  );
}

/** The function ended where its journal goes on. */
export function ended(recorded: Entry, outcome: Outcome): RouseError {
  const now =
    "error" in outcome
      ? `the end of the function, which failed (${words(outcome.error)})`
      : "the end of the function";
  return notDeterministic(recorded.index, describeEntry(recorded), now);
}

/** The function does not come to what its journal has next. */
export function stuck(recorded: Entry, next: number, pending: readonly Asked[]): RouseError {
  const what =
    pending.length === 0
      ? "something that is not in the journal"
      : `${pending.slice(0, 3).map(describeEntry).join(", ")} without getting to it`;
  // Usually the very next thing; with several under way, one of them.
  const index = Math.max(recorded.index, next);
  return notDeterministic(index, describeEntry(recorded), `waiting for ${what}`);
}

/** A replay over a whole journal asks for something beyond it. */
export function asksForMore(entry: Entry): RouseError {
  return notDeterministic(entry.index, "the end of the function", describeEntry(entry));
}

/** A replay over a whole journal ends otherwise than the run did. */
export function answeredOtherwise(index: number, first: Outcome, again: Outcome): RouseError {
  return notDeterministic(index, outcomeWords(first), outcomeWords(again));
}

function outcomeWords(outcome: Outcome): string {
  if ("error" in outcome) return `a failure (${words(outcome.error)})`;
  return `the answer ${inspect(outcome.response, { depth: 4, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 80, maxArrayLength: 10 })}`;
}

/** Something durable is used within a step. */
export function nested(step: string, asked: Asked): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `Step ${JSON.stringify(step)} uses ${describeEntry(asked)} of its run, which a replay would leave out with the step. Take it before the step, or make it a step of its own after it.`,
    { reason: "STEP_NESTED" },
  );
}

/** The run's context is used when the function has ended. */
export function over(asked: Asked): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `The run has ended, and ${describeEntry(asked)} comes too late for its journal. Await everything that a durable function begins before it returns.`,
    { reason: "RUN_ENDED" },
  );
}

/** A step threw something that is no RouseError. */
export function stepFailed(name: string, thrown: unknown): RouseError {
  return new RouseError("INTERNAL", `Step ${JSON.stringify(name)} failed: ${words(thrown)}`, {
    reason: "STEP_FAILED",
    metadata: { step: name },
    cause: thrown,
  });
}

function words(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}
