import { type Logger, pino } from "pino";

/** So much waits in memory while nothing can be written; what comes beyond that is left out, bytes. */
const MOST_BYTES = 2 ** 20;

/**
 * A logger of JSON lines that outlives a full disk: what cannot be written to the file behind standard output or error waits, and goes
 * there with the first line that finds room again. (Pino by itself ends the process.)
 *
 * @param fd 1: standard output, 2: standard error.
 */
export function makeLog(name: string, fd: 1 | 2): Logger {
  const out = pino.destination({ fd, sync: true, maxLength: MOST_BYTES });
  // There is nowhere to tell it.
  out.on("error", () => undefined);
  return pino({ name }, out);
}
