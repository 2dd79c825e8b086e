import { RouseError } from "../../sdk/errors.ts";
import type { InstanceRecord } from "../record.ts";

/** FAILED_PRECONDITION NOT_SERVING: an instance in that state cannot be put on standby. */
export function notServing({ id, state }: InstanceRecord): RouseError {
  const now = state.replace("INSTANCE_STATE_", "").toLowerCase();
  return new RouseError(
    "FAILED_PRECONDITION",
    `Instance ${id} is ${now}: that can be done only to one that serves.`,
    { reason: "NOT_SERVING" },
  );
}

/** FAILED_PRECONDITION SUSPEND_FAILED. */
export function notFrozen({ id }: InstanceRecord, cause: unknown): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `Instance ${id} cannot be frozen (${wordsOf(cause)}). Let the agent write cgroups, or give the contract standby {instances: 0}.`,
    { reason: "SUSPEND_FAILED", cause },
  );
}

/** ABORTED RESUME_FAILED: it is killed. */
export function notThawed({ id, spec }: InstanceRecord, cause: unknown): RouseError {
  return new RouseError(
    "ABORTED",
    `Instance ${id} of ${spec.service} ${spec.version} could not be thawed (${wordsOf(cause)}) and was killed. The next call starts another.`,
    { reason: "RESUME_FAILED", cause },
  );
}

function wordsOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
