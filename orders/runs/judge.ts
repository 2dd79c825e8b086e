import { RouseError } from "../../sdk/errors.ts";
import { isDatabaseAway } from "../database/connect.ts";
import { neverBegun } from "../operations/runner.ts";
import { resultTooLarge } from "./limits.ts";

/** So often in a row a run may be interrupted without a new entry; then it is a function that ends its instances. */
export const MOST_INTERRUPTIONS = 12;

/** What becomes of a run whose stream to an instance ended by an error: it goes on (and that is counted), or fails with this. */
export type Verdict = "again" | "counted" | RouseError;

/**
 * Decides it. What lies with the mesh (nothing starts, the database is away) is tried for as long as the run has time; what the
 * function may have brought about is counted.
 *
 * @param stream progressed: it committed entries. interruptions: counted ones in a row before this.
 */
export function judge(
  { id, service, version, method }: { id: string; service: string; version: string; method: string },
  error: RouseError,
  stream: { readonly progressed: boolean; readonly interruptions: number },
): Verdict {
  const where = `${service}/${method} of ${version}`;
  if (error.status === "UNIMPLEMENTED") {
    return new RouseError(
      "FAILED_PRECONDITION",
      `${where} is durable by its contract, and its instance does not know how to run it (${error.message}). Serve it with the code that "rouse gen" makes, and register a new version.`,
      { reason: "RUN_UNSUPPORTED" },
    );
  }
  // What gRPC says of a message that is too large to be sent or taken: only a result can be.
  if (error.status === "RESOURCE_EXHAUSTED" && /larger than/i.test(error.message))
    return resultTooLarge(`${service}/${method}`, undefined);
  if (isDatabaseAway(error) || neverBegun(error)) return "again";
  if (stream.progressed) return "again";
  if (stream.interruptions + 1 < MOST_INTERRUPTIONS) return "counted";
  return new RouseError(
    "ABORTED",
    `${where} was interrupted ${MOST_INTERRUPTIONS} times in a row without a step being done, the last time by: ${error.message} Look at "rouse logs ${service}" and "rouse runs show ${id}", then "rouse runs retry ${id} --from STEP", with --version where a new one has the fix.`,
    { reason: "RUN_STUCK" },
  );
}
