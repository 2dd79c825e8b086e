import type { ServerLog } from "./types.ts";

/**
 * Writes JSON lines with pino to standard error. Pino is loaded with the first line: a service that wakes and works
 * has nothing to say, and needs its first milliseconds.
 */
export function defaultLog(service: string): ServerLog {
  let pino: Promise<ServerLog> | undefined;
  const load = async () => {
    const { default: createPino } = await import("pino");
    return createPino({ name: service }, createPino.destination(2));
  };
  const log = (level: keyof ServerLog) => (facts: object, message: string) => {
    pino ??= load();
    pino.then((loaded) => loaded[level](facts, message));
  };
  return { info: log("info"), error: log("error") };
}
