import type { ServerLog } from "./types.ts";

/**
 * Writes JSON lines with pino to standard error. Pino is loaded with the first line: a service that wakes and works
 * has nothing to say, and needs its first milliseconds.
 */
export function defaultLog(service: string): ServerLog {
  let made: Promise<ServerLog> | undefined;
  const load = async () => {
    const { makeLog } = await import("../log.ts");
    return makeLog(service, 2);
  };
  const log = (level: keyof ServerLog) => (facts: object, message: string) => {
    made ??= load();
    made.then((loaded) => loaded[level](facts, message));
  };
  return { info: log("info"), error: log("error") };
}
