import { RouseError } from "../../errors.ts";
import type { RunningServer } from "../types.ts";
import type { Counted, Vitals } from "../vitals.ts";
import { type Member, startMember } from "./members.ts";
import type { WorkerMessage, Workers } from "./role.ts";

/** A worker that ends sooner after it was ready has failed, ms. */
const STABLE_MS = 10_000;
/** So many failures in a row are made good; then the instance ends, and its agent sees to it. */
const MOST_FAILURES = 3;
/** What a worker gets above the grace time of its calls, ms. */
const FAREWELL_MS = 2_000;

/** An instance's workers, seen from its main process, which takes no calls itself. */
export interface Supervised extends RunningServer {
  /** Tells all workers the instance's id. */
  readonly tellInstance: (id: string) => void;
  /** What its workers said last, together. */
  readonly vitals: () => Counted;
}

/** A worker that says nothing for longer than this has a blocked event loop, ms. */
const SILENT_MS = 3_000;

/**
 * Starts the workers of an instance and keeps them running: one that ends is replaced, and the others go on.
 *
 * @returns when all of them serve.
 * @throws RouseError WORKER_ENDED (ABORTED) when one ends before that; what it said of itself stands in the instance's output.
 */
export async function supervise(workers: Workers, graceMs: number): Promise<Supervised> {
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  const members = new Map<number, Member>();
  const told = new Map<number, { readonly vitals: Vitals; readonly atMs: number }>();
  let instance: string | undefined;
  let listen: string | undefined;
  let stopping = false;
  let failures = 0;
  let askedMs = performance.now();

  const start = (number: number): Promise<string> => {
    const { promise: ready, resolve: isReady, reject } = Promise.withResolvers<string>();
    let readyAtMs: number | undefined;
    const member = startMember(workers.kind, number, listen, {
      ready: (address) => {
        readyAtMs = performance.now();
        if (instance !== undefined) member.send({ rouse: "instance", id: instance });
        isReady(address);
      },
      vitals: (vitals) => told.set(number, { vitals, atMs: performance.now() }),
      ended: (code) => {
        members.delete(number);
        told.delete(number);
        reject(ended(number, code));
        if (stopping) return members.size === 0 ? resolve() : undefined;
        if (listen === undefined) return;
        const failed = readyAtMs === undefined || performance.now() - readyAtMs < STABLE_MS;
        failures = failed ? failures + 1 : 0;
        console.error(`Worker ${number} ended with exit code ${code}; ${members.size} go on.`);
        // Without any left, or again and again: the agent starts the instance anew, and counts.
        if (members.size === 0 || failures > MOST_FAILURES) giveUp(code);
        else start(number).catch(() => {});
      },
    });
    members.set(number, member);
    return ready;
  };
  const giveUp = (code: number) => {
    for (const member of members.values()) member.kill();
    process.exit(code || 1);
  };

  try {
    // The first one chooses the port.
    const address = await start(1);
    if (workers.kind === "threads") listen = address;
    await Promise.all(Array.from({ length: workers.count - 1 }, (_, index) => start(index + 2)));
    listen = address;
    return {
      address,
      stopped,
      vitals() {
        const nowMs = performance.now();
        // Who was not asked for long was frozen with all its workers.
        const awake = nowMs - askedMs < SILENT_MS;
        askedMs = nowMs;
        return sumOf([...told.values()], awake ? nowMs : 0);
      },
      tellInstance(id) {
        instance = id;
        const message: WorkerMessage = { rouse: "instance", id };
        for (const member of members.values()) member.send(message);
      },
      stop({ graceMs: given = graceMs } = {}) {
        stopping = true;
        for (const member of members.values()) member.stop();
        // The second time means at once.
        const cut = () => {
          for (const member of members.values()) member.stop();
        };
        setTimeout(cut, given).unref();
        const kill = () => {
          for (const member of members.values()) member.kill();
        };
        setTimeout(kill, given + FAREWELL_MS).unref();
        if (members.size === 0) resolve();
        return stopped;
      },
    };
  } catch (error) {
    stopping = true;
    for (const member of members.values()) member.kill();
    throw error;
  }
}

/** The calls of all, and the delay of the one that is the latest. */
function sumOf(told: readonly { readonly vitals: Vitals; readonly atMs: number }[], nowMs: number): Counted {
  const sum = { queue: 0, inProgress: 0, loopDelayMs: 0 };
  for (const { vitals, atMs } of told) {
    const silentMs = nowMs - atMs;
    sum.queue += vitals.queue;
    sum.inProgress += vitals.inProgress;
    sum.loopDelayMs = Math.max(sum.loopDelayMs, vitals.loopDelayMs, silentMs > SILENT_MS ? silentMs : 0);
  }
  return { ...sum, loopDelayMs: Math.round(sum.loopDelayMs) };
}

function ended(number: number, code: number): RouseError {
  return new RouseError("ABORTED", `Worker ${number} ended with exit code ${code} before it served.`, {
    reason: "WORKER_ENDED",
  });
}
