import { connect, type Socket } from "node:net";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";

/** How often an instance looks at itself, ms. */
const LOOK_MS = 1_000;
/** Who has nothing new to say says so after this many looks: silence then means a blocked event loop. */
const BEAT_LOOKS = 5;
/** Below this share of its time an event loop is not busy: if it was late, the process was frozen, not the loop. */
const BUSY = 0.5;
/** Pause before the agent's socket is tried again, ms; up to twice as long by chance, so that not all come at once. */
const RECONNECT_MS = 2_000;

/** What an instance says of itself. */
export interface Vitals {
  /** By how much its event loop is late, 99th percentile of the last second, ms; 0 while it has time left. */
  readonly loopDelayMs: number;
  /** Calls that wait inside of the instance. */
  readonly queue: number;
  /** Calls under way. */
  readonly inProgress: number;
}

/** What a server counts of itself; the loop's delay where it is not this process that takes the calls. */
export interface Counted extends Omit<Vitals, "loopDelayMs"> {
  readonly loopDelayMs?: number;
}

/**
 * Tells the agent how this instance does, on the notify socket: a line when it changed by a power of two, and one each 5 s.
 * Costs one timer per second; only while the event loop is busy it is measured more closely. Keeps no process alive.
 *
 * @param socket - The connection on which the instance was announced; a new one is made when the agent restarts.
 * @param read - How many calls wait and are under way.
 */
export function reportVitals(path: string, socket: Socket, read: () => Counted): void {
  let open: Socket | undefined = socket;
  let told = "";
  let looks = 0;

  const follow = (next: Socket) => {
    next.once("close", () => {
      if (open === next) open = undefined;
      setTimeout(again, RECONNECT_MS * (1 + Math.random())).unref();
    });
  };
  const again = () => {
    const next = connect(path);
    next.on("error", () => next.destroy());
    next.once("connect", () => {
      open = next;
      told = "";
    });
    next.resume().unref();
    follow(next);
  };
  const say = (vitals: Vitals) => {
    const rough = [vitals.loopDelayMs, vitals.queue, vitals.inProgress].map(magnitude).join(" ");
    looks++;
    if (open === undefined || (rough === told && looks < BEAT_LOOKS)) return;
    looks = 0;
    told = rough;
    open.write(`${JSON.stringify({ instance: process.env.ROUSE_INSTANCE ?? "", vitals })}\n`);
  };
  follow(socket);
  watchVitals(read, say);
}

/** Says each second how this process does. */
export function watchVitals(read: () => Counted, say: (vitals: Vitals) => void): void {
  let histogram: ReturnType<typeof monitorEventLoopDelay> | undefined;
  let usage = performance.eventLoopUtilization();
  let dueMs = performance.now() + LOOK_MS;
  const look = () => {
    const nowMs = performance.now();
    const lateMs = Math.max(0, nowMs - dueMs);
    const { utilization } = performance.eventLoopUtilization(usage);
    usage = performance.eventLoopUtilization();
    const isBusy = utilization >= BUSY;
    const measuredMs = histogram === undefined ? 0 : histogram.percentile(99) / 1e6;
    const loopDelayMs = isBusy ? Math.round(Math.max(lateMs, measuredMs)) : 0;
    histogram?.reset();
    if (isBusy && histogram === undefined) {
      histogram = monitorEventLoopDelay({ resolution: 20 });
      histogram.enable();
    } else if (!isBusy && histogram !== undefined) {
      histogram.disable();
      histogram = undefined;
    }
    const { loopDelayMs: told = 0, ...counts } = read();
    say({ ...counts, loopDelayMs: Math.max(loopDelayMs, told) });
    dueMs = performance.now() + LOOK_MS;
    setTimeout(look, LOOK_MS).unref();
  };
  setTimeout(look, LOOK_MS).unref();
}

/** Number of binary digits: two values of the same magnitude differ by less than a factor of two. */
function magnitude(value: number): number {
  return value < 1 ? 0 : Math.floor(Math.log2(value)) + 1;
}
