import { RouseError } from "../../sdk/errors.ts";

/** Ends a build with one sentence for its reason. */
export function buildFailed(message: string, cause?: unknown): RouseError {
  return new RouseError("FAILED_PRECONDITION", message, { reason: "BUILD_FAILED", cause });
}

/** Somebody ended a build, or the registry did as it ended itself. */
export class BuildStopped extends Error {
  readonly cancelled: boolean;

  constructor(message: string, cancelled: boolean) {
    super(message);
    this.cancelled = cancelled;
  }
}
