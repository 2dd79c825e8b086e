import type { JobError } from "#proto/rouse/agent/v1/jobs.ts";
import { type StatusName, statusCodes } from "../../sdk/status.ts";
import type { Ending } from "../runtimes/runtime.ts";
import { mebibytes } from "../words.ts";
import type { CheckedJob } from "./spec.ts";

/** Why the agent itself ended a job. */
export type Doom =
  | { readonly kind: "stopped"; readonly reason: string }
  | { readonly kind: "time" }
  | { readonly kind: "disk" }
  | { readonly kind: "host"; readonly reason: string };

/** All that is known of a job whose program has ended. */
export interface EndFacts {
  readonly ending: Ending;
  readonly doom: Doom | undefined;
  /** It has told a result. */
  readonly hasResult: boolean;
  /** What it has told of its failure. */
  readonly told?: JobError | undefined;
  /** Why a content could not be moved whole, and was not later either, by the agent's own knowledge. */
  readonly stumbled?: JobError | undefined;
  /** An agent has ended while contents were moved, and none has been moved whole since. */
  readonly cutOff?: boolean;
  /** Its last lines of output; empty: none. */
  readonly output: string;
}

/** What a job tells that knows no more than that something broke. */
const VAGUE = new Set(["JOB_FAILED", "JOB_GATEWAY_LOST", "HANDLER_FAILED"]);

/** How a job has ended. */
export type End =
  | { readonly state: "succeeded" }
  | { readonly state: "failed" | "stopped"; readonly error: JobError };

/**
 * What became of a job. A result counts when the program then ended well, whatever was about to happen to it; else what the agent did
 * comes first, then what the kernel did, then the job's own word, then its exit code; but what kept it from its artifacts comes before a
 * word that says no more, and before the exit code.
 */
export function endOfJob(spec: CheckedJob, facts: EndFacts): End {
  const { exitCode } = facts.ending;
  if (exitCode === 0 && facts.hasResult) return { state: "succeeded" };
  const state = facts.doom?.kind === "stopped" ? "stopped" : "failed";
  return { state, error: { ...failure(spec, facts), exitCode } };
}

function failure(spec: CheckedJob, facts: EndFacts): JobError {
  const { ending, doom, told, stumbled, cutOff, output } = facts;
  const { service, version, memoryBytes } = spec.program;
  const what = `${spec.method} of ${service} ${version}`;
  const said = output === "" ? " It printed nothing." : ` Its last output:\n${output}`;
  const { exitCode, signal, detail } = ending;
  if (doom?.kind === "stopped")
    return failed("JOB_STOPPED", "CANCELLED", `${what} was stopped: ${doom.reason}.`);
  if (doom?.kind === "host") return lost(`${what} was ended: ${doom.reason}.`);
  if (doom?.kind === "time")
    return failed(
      "JOB_TIMEOUT",
      "DEADLINE_EXCEEDED",
      `${what} was not done within its ${spec.timeMs} ms and was killed. Raise the method's deadline in the contract.${said}`,
    );
  if (doom?.kind === "disk" || (told === undefined && spaceLacked(output)))
    return failed(
      "JOB_DISK_FULL",
      "RESOURCE_EXHAUSTED",
      `${what} filled its ${mebibytes(spec.diskBytes)} of scratch space and ${doom ? "was killed" : "failed"}. Raise job.disk in the contract, or stream what is large.${said}`,
    );
  if (ending.outOfMemory || output.includes("JavaScript heap out of memory"))
    return failed(
      "JOB_OUT_OF_MEMORY",
      "RESOURCE_EXHAUSTED",
      `${what} used more than its ${mebibytes(memoryBytes)} of memory (and ${mebibytes(spec.diskBytes)} of scratch space) and was killed. Raise resources.memory in the contract, or let it use less.${said}`,
    );
  const isVague = told === undefined || VAGUE.has(told.reason);
  // With the same status it passes on what it was told of its artifacts, but not whose fault that is.
  if (stumbled !== undefined && (isVague || told.code === stumbled.code)) return stumbled;
  if (cutOff === true && isVague)
    return lost(
      `${what} was cut off from its artifacts when the agent of its host ended, and did not outlive that.${said}`,
    );
  if (told !== undefined) return told;
  if (exitCode === undefined && signal === undefined)
    return lost(`${what} was lost: ${detail ?? "nobody saw its end"}.`);
  if (exitCode === 0)
    return failed(
      "JOB_NO_RESULT",
      "FAILED_PRECONDITION",
      `${what} ended with code 0, but told no result. Let it POST one to /v1/result on its socket (an empty body stands for an empty message), as serve() of rouse/server does.${said}`,
    );
  const how = exitCode === undefined ? `was ended by ${signal}` : `exited with code ${exitCode}`;
  const why = detail === undefined ? "" : ` (${detail})`;
  return failed("JOB_EXITED", "ABORTED", `${what} ${how}${why}.${said}`);
}

function failed(reason: string, status: StatusName, message: string): JobError {
  return { code: statusCodes[status], reason, message, metadata: {}, hostFault: false };
}

/** Not the job's own fault. */
function lost(message: string): JobError {
  return { ...failed("JOB_LOST", "UNAVAILABLE", message), hostFault: true };
}

function spaceLacked(output: string): boolean {
  return /\bENOSPC\b|No space left on device/.test(output);
}
