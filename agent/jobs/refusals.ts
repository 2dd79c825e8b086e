import { RouseError } from "../../sdk/errors.ts";
import { mebibytes } from "../words.ts";
import { type CheckedJob, MOST_BYTES } from "./spec.ts";

/** @param why without a full stop. */
export function refused(why: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `The job's request is refused: ${why}.`, {
    reason: "JOB_REQUEST_INVALID",
  });
}

export function tooLarge(): RouseError {
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `The result has more than ${MOST_BYTES / 2 ** 20} MiB. Put what is large out as an output (PUT /v1/outputs/NAME), and answer its URI.`,
    { reason: "RESULT_TOO_LARGE" },
  );
}

/** It puts out more than its contract says. */
export function tooMuch({ method, program, outputBytes }: CheckedJob): RouseError {
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `${method} of ${program.service} ${program.version} puts out more than the ${mebibytes(outputBytes)} that it may. Raise job.outputs in the contract, or let it put out less.`,
    { reason: "JOB_OUTPUTS_FULL" },
  );
}

export function pieceTooLarge(): RouseError {
  return refused(`a piece of an output has ${MOST_BYTES / 2 ** 20} MiB at most`);
}

export function unknownPath(method: string, url: string): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `A job's socket has no ${method} ${url.slice(0, 120)}. It has GET /v1/job, /v1/request, /v1/metadata, /v1/inputs, /v1/inputs/NAME, /v1/artifacts/URI, /v1/outputs; PUT /v1/outputs/NAME; POST /v1/metadata, /v1/progress, /v1/result, /v1/error.`,
    { reason: "JOB_PATH_UNKNOWN" },
  );
}
