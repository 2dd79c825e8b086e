import { RouseError } from "../../sdk/errors.ts";

/** Most entries of a run. */
export const MOST_ENTRIES = 10_000;
/** Most bytes of one entry's value. */
export const MOST_ENTRY_BYTES = 2 ** 20;
/** Most bytes of all values of a run: a replay sends them all. */
export const MOST_JOURNAL_BYTES = 64 * 2 ** 20;
/** Most bytes of a result. */
export const MOST_RESULT_BYTES = 16 * 2 ** 20;

const ARTIFACT = "Keep what is large as an artifact, and pass its URI along (docs/artifacts.md).";

/** What a run's journal holds so far. */
export interface JournalSize {
  readonly entries: number;
  readonly bytes: number;
}

/**
 * Why an entry does not fit into a journal; undefined: it fits.
 *
 * @returns RouseError INVALID_ARGUMENT RUN_STEP_NAME_INVALID; RESOURCE_EXHAUSTED RUN_TOO_LONG, RUN_ENTRY_TOO_LARGE, RUN_JOURNAL_TOO_LARGE.
 */
export function entryFault(
  method: string,
  { entries, bytes }: JournalSize,
  entry: { readonly index: number; readonly name: string; readonly bytes: number },
): RouseError | undefined {
  const what = `Step ${entry.index} (${entry.name}) of the durable run of ${method}`;
  if (entries >= MOST_ENTRIES) {
    return new RouseError(
      "RESOURCE_EXHAUSTED",
      `${what} is one more than the ${MOST_ENTRIES} that a run may have. Let the function start other runs for parts of its work, or go on in a run of its own.`,
      { reason: "RUN_TOO_LONG" },
    );
  }
  if (entry.name.includes("\0")) {
    return new RouseError(
      "INVALID_ARGUMENT",
      `Step ${entry.index} of the durable run of ${method} has a NUL character in its name, ${JSON.stringify(entry.name.slice(0, 60))}. Name it without.`,
      { reason: "RUN_STEP_NAME_INVALID" },
    );
  }
  if (entry.bytes > MOST_ENTRY_BYTES) {
    return new RouseError(
      "RESOURCE_EXHAUSTED",
      `${what} has a result of ${mebi(entry.bytes)}, more than the ${mebi(MOST_ENTRY_BYTES)} that a journal takes. ${ARTIFACT}`,
      { reason: "RUN_ENTRY_TOO_LARGE" },
    );
  }
  if (bytes + entry.bytes > MOST_JOURNAL_BYTES) {
    return new RouseError(
      "RESOURCE_EXHAUSTED",
      `${what} makes the run's journal larger than ${mebi(MOST_JOURNAL_BYTES)}. ${ARTIFACT}`,
      { reason: "RUN_JOURNAL_TOO_LARGE" },
    );
  }
  return undefined;
}

/** Why a result is not kept; undefined: it is. @returns RouseError RESOURCE_EXHAUSTED RESULT_TOO_LARGE. */
export function resultFault(method: string, bytes: number): RouseError | undefined {
  return bytes <= MOST_RESULT_BYTES ? undefined : resultTooLarge(method, bytes);
}

/** @param bytes undefined: so many that gRPC did not take it. */
export function resultTooLarge(method: string, bytes: number | undefined): RouseError {
  const most = `more than the ${mebi(MOST_RESULT_BYTES)} that an operation keeps`;
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `The result of the durable run of ${method} has ${bytes === undefined ? "" : `${mebi(bytes)}, `}${most}. ${ARTIFACT}`,
    { reason: "RESULT_TOO_LARGE" },
  );
}

function mebi(bytes: number): string {
  return `${Number((bytes / 2 ** 20).toFixed(1))} MiB`;
}
