import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { JobSpec } from "#proto/rouse/agent/v1/jobs.ts";
import { DEFAULT_JOB, JOB_LIMITS } from "../../registry/jobs.ts";
import { RouseError } from "../../sdk/errors.ts";
import { checkSpec } from "../spec.ts";

/** Most bytes of a request and of a result. */
export const MOST_BYTES = 16 * 2 ** 20;
const MOST_INPUTS = 1_000;
const DEFAULT_MS = 3_600_000;
const LONGEST_MS = 30 * 86_400_000;

/** A job's description, checked and with its defaults. */
export interface CheckedJob extends JobSpec {
  readonly program: InstanceSpec;
}

/**
 * Checks what a job is asked to be, and fills in what was left out. Mounts are left out as well: no job sees files of its host.
 *
 * @throws RouseError INVALID_ARGUMENT JOB_INVALID, SPEC_INVALID.
 */
export function checkJob(given: JobSpec | undefined): CheckedJob {
  if (given === undefined) throw invalid("it is missing");
  const program = checkSpec(given.program && { ...given.program, mounts: [], imagePort: 0 });
  if (given.method === "") throw invalid("method must be set");
  if (given.request.length > MOST_BYTES || Buffer.byteLength(given.requestJson) > MOST_BYTES)
    throw invalid(`the request has more than ${MOST_BYTES / 2 ** 20} MiB`);
  if (Object.keys(given.inputs).length > MOST_INPUTS)
    throw invalid(`there are more than ${MOST_INPUTS} inputs`);
  for (const name of Object.keys(given.inputs)) checkName("input", name);
  const { diskBytes, processes, outputBytes } = JOB_LIMITS;
  return {
    ...given,
    program,
    diskBytes: within("disk_bytes", given.diskBytes || DEFAULT_JOB.diskBytes, diskBytes),
    processes: within("processes", given.processes || DEFAULT_JOB.processes, processes),
    outputBytes: within("output_bytes", given.outputBytes || DEFAULT_JOB.outputBytes, outputBytes),
    timeMs: within("time_ms", given.timeMs || DEFAULT_MS, { least: 1, most: LONGEST_MS }),
  };
}

/** What a host holds for a job: its scratch space is in memory. */
export function reservedFor({ program, diskBytes }: CheckedJob): InstanceSpec {
  return { ...program, memoryBytes: program.memoryBytes + diskBytes };
}

export function sameJob(a: JobSpec, b: JobSpec): boolean {
  return Buffer.from(JobSpec.encode(a).finish()).equals(JobSpec.encode(b).finish());
}

/** @throws RouseError INVALID_ARGUMENT SPEC_INVALID. */
export function checkName(what: "input" | "output", name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) return;
  const shown = JSON.stringify(name.slice(0, 120));
  throw invalid(
    `${shown} is no name of an ${what}: at most 100 letters, digits, ".", "_" and "-", and a letter or digit first`,
  );
}

function within(name: string, value: number, { least, most }: { least: number; most: number }): number {
  if (value >= least && value <= most) return value;
  throw invalid(`${name} is ${value}; it may be ${least} to ${most}`);
}

function invalid(what: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `The job's description is invalid: ${what}.`, {
    reason: "JOB_INVALID",
  });
}
