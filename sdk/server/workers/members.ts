import cluster from "node:cluster";
import { Worker } from "node:worker_threads";
import { stopMessage } from "../stop.ts";
import type { Vitals } from "../vitals.ts";
import { isMessage, type WorkerMessage, type Workers } from "./role.ts";

/** One worker of an instance. */
export interface Member {
  send(message: WorkerMessage): void;
  /** Lets it end its calls; a second time cuts them. */
  stop(): void;
  /** Ends it at once. */
  kill(): void;
}

export interface MemberEvents {
  readonly ready: (address: string) => void;
  readonly vitals: (vitals: Vitals) => void;
  /** @param code of its exit; 1 where a signal or an error ended it. */
  readonly ended: (code: number) => void;
}

/** Starts a worker, which runs the same program as this process. `listen` names where, when that is known by then. */
export function startMember(
  kind: Workers["kind"],
  number: number,
  listen: string | undefined,
  events: MemberEvents,
): Member {
  return kind === "processes" ? startProcess(number, events) : startThread(number, listen, events);
}

/** A process; the port is the cluster's, whose main process deals connections out in turn. */
function startProcess(number: number, events: MemberEvents): Member {
  const worker = cluster.fork({ ROUSE_WORKER: String(number) });
  worker.on("message", (message: unknown) => told(message, events));
  worker.once("exit", (code: number | null) => events.ended(code ?? 1));
  // One that ended meanwhile takes no message.
  worker.on("error", () => {});
  const send = (message: WorkerMessage | string) => {
    if (worker.isConnected()) worker.send(message);
  };
  return { send, stop: () => send(stopMessage), kill: () => worker.process.kill("SIGKILL") };
}

function startThread(number: number, listen: string | undefined, events: MemberEvents): Member {
  const env = {
    ...process.env,
    ROUSE_WORKER: String(number),
    ...(listen === undefined ? {} : { ROUSE_LISTEN: listen }),
  };
  const worker = new Worker(process.argv[1] ?? "", { env, argv: process.argv.slice(2) });
  worker.on("message", (message: unknown) => told(message, events));
  worker.on("error", (error) => console.error(error));
  worker.once("exit", events.ended);
  return {
    send: (message) => worker.postMessage(message),
    stop: () => worker.postMessage(stopMessage),
    kill: () => void worker.terminate(),
  };
}

function told(message: unknown, events: MemberEvents): void {
  if (!isMessage(message)) return;
  if (message.rouse === "ready") events.ready(message.address);
  if (message.rouse === "vitals") events.vitals(message.vitals);
}
