import type { OpenWork } from "../../registry/records.ts";

/** What a version's note tells of open work. */
export type OpenCounts = Omit<OpenWork, "pin">;

export const NOTHING_OPEN: OpenCounts = {
  runs: { open: 0, ids: [] },
  operations: { open: 0, ids: [] },
  orders: { open: 0, ids: [] },
};

/** A pin that this process wrote is believed so long, ms: whoever begins something meanwhile need not write it again. */
export const BELIEVED_MS = 2_000;
/** After so long all is in the database that was begun because of a pin, ms. Well above the other. */
export const SETTLED_MS = 5_000;

/**
 * How a version's note is to be.
 *
 * Whoever begins something pins the version before it is written to the database, and once more after, unless the pin is still
 * believed then. So with a pin that is older than SETTLED_MS nothing is on its way that a look at the database would miss, and
 * where that finds nothing, the version may go.
 *
 * @param pin of the note as it is; empty: settled. Undefined: there is no note.
 * @param pinSeenMs for how long that pin was seen before the look at the database.
 * @param open what the database tells; undefined: nothing.
 * @returns undefined: there is to be no note.
 */
export function noteOf(
  pin: string | undefined,
  pinSeenMs: number,
  open: OpenCounts | undefined,
): OpenWork | undefined {
  const kept = pin === undefined || pinSeenMs > SETTLED_MS ? "" : pin;
  if (kept === "" && open === undefined) return undefined;
  return { pin: kept, ...(open ?? NOTHING_OPEN) };
}
