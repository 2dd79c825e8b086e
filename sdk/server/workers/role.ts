import { isMainThread, parentPort } from "node:worker_threads";
import { RouseError } from "../../errors.ts";
import { type Counted, type Vitals, watchVitals } from "../vitals.ts";

/** What an instance's main process and its workers say to each other. */
export type WorkerMessage =
  | { readonly rouse: "ready"; readonly address: string }
  | { readonly rouse: "vitals"; readonly vitals: Vitals }
  | { readonly rouse: "instance"; readonly id: string };

/** How many workers an instance has, and of which kind. */
export interface Workers {
  readonly kind: "processes" | "threads";
  readonly count: number;
}

/**
 * The workers that this process is to have, from ROUSE_WORKERS ("processes:4"); undefined: it serves by itself, being a worker or
 * the only one.
 *
 * @throws RouseError WORKERS_INVALID (INVALID_ARGUMENT).
 */
export function workersWanted(env: NodeJS.ProcessEnv = process.env): Workers | undefined {
  const { ROUSE_WORKERS: text, ROUSE_WORKER: own } = env;
  // A thread of the agent is an instance of its in-process runtime.
  if (!text || own || !isMainThread) return undefined;
  const [, kind, count] = /^(processes|threads):([1-9]\d{0,2})$/.exec(text) ?? [];
  if (kind !== "processes" && kind !== "threads")
    throw new RouseError(
      "INVALID_ARGUMENT",
      `ROUSE_WORKERS is "${text}". Write "processes:" or "threads:" and how many, such as "processes:4".`,
      { reason: "WORKERS_INVALID" },
    );
  return Number(count) === 1 ? undefined : { kind, count: Number(count) };
}

/** This is a worker of an instance that has several. */
export function isWorker(): boolean {
  return Boolean(process.env.ROUSE_WORKER);
}

/** Threads have a socket each on the same port, between which the kernel distributes connections. */
export function sharesPort(): boolean {
  return isWorker() && !isMainThread;
}

/** Tells the instance's main process that this worker serves, and each second how it does; takes the instance's id from it. */
export function tellReady(address: string, read: () => Counted): void {
  const tell = (message: WorkerMessage) => {
    if (!isMainThread) parentPort?.postMessage(message);
    // The main process may be gone.
    else if (process.connected) process.send?.(message);
  };
  const take = (received: unknown) => {
    if (isMessage(received) && received.rouse === "instance") process.env.ROUSE_INSTANCE = received.id;
  };
  if (isMainThread) {
    process.on("message", take);
  } else {
    parentPort?.on("message", take);
    parentPort?.unref();
  }
  tell({ rouse: "ready", address });
  watchVitals(read, (vitals) => tell({ rouse: "vitals", vitals }));
}

export function isMessage(value: unknown): value is WorkerMessage {
  return typeof value === "object" && value !== null && "rouse" in value;
}
