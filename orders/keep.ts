import type { RouseError } from "../sdk/errors.ts";

const DAY_MS = 86_400_000;
const KEEP = { least: 60_000, default: 7 * DAY_MS, most: 90 * DAY_MS } as const;

/**
 * How long something is kept after its end, ms.
 *
 * @param asked 0: the default, 7 days.
 * @param invalid makes the error that is thrown where it is less than a minute or more than 90 days.
 */
export function checkKeepMs(asked: number, invalid: (why: string) => RouseError): number {
  const keepMs = asked || KEEP.default;
  if (keepMs < KEEP.least || keepMs > KEEP.most)
    throw invalid(`keep_ms is ${keepMs}; give 1 minute (${KEEP.least}) to 90 days (${KEEP.most})`);
  return keepMs;
}
