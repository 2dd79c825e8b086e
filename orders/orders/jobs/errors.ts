import {
  type DescMessage,
  fromBinary,
  fromJsonString,
  type Registry,
  toJsonString,
} from "@bufbuild/protobuf";
import { RouseError } from "../../../sdk/errors.ts";

/** UNAVAILABLE HOST_LOST. @param why as Fleet.lost tells. */
export function hostLost(host: string, why: string): RouseError {
  return new RouseError(
    "UNAVAILABLE",
    `Host "${host}" is lost with the job that ran there: ${why}. It is tried again elsewhere.`,
    { reason: "HOST_LOST", metadata: { host } },
  );
}

/**
 * A job's result as JSON, with the fields that have their default: other tasks may refer to them.
 *
 * @throws RouseError INTERNAL RESULT_INVALID.
 */
export function resultOf(
  job: { readonly result?: Uint8Array | undefined; readonly resultJson?: string | undefined },
  output: DescMessage,
  types: Registry,
): string {
  const options = { registry: types };
  try {
    const message =
      job.result === undefined
        ? fromJsonString(output, job.resultJson ?? "{}", options)
        : fromBinary(output, job.result);
    return toJsonString(output, message, { ...options, alwaysEmitImplicit: true });
  } catch (cause) {
    throw new RouseError(
      "INTERNAL",
      `The job ended well, and its result is no ${output.typeName}: ${(cause as Error).message}.`,
      { reason: "RESULT_INVALID", cause },
    );
  }
}
