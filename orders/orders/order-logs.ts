import type { OrderLogLine } from "#proto/rouse/orders/v1/orders.ts";
import { parseLines } from "./logs.ts";
import type { LogEntry } from "./store/engine-store.ts";
import type { TaskRow } from "./store/record.ts";
import type { OrderStore, OrderWithTasks } from "./store/store.ts";

/** Output lines of a job that runs, from the host where it does; empty where that does not answer. */
export type JobLogs = (task: TaskRow, follow: boolean, signal: AbortSignal) => AsyncIterable<LogEntry>;

export interface OrderLogsOptions {
  readonly store: OrderStore;
  readonly jobLogs: JobLogs;
  /** The order as it is, and each change. */
  readonly orders: AsyncIterable<OrderWithTasks>;
  readonly id: string;
  /** Only this one when not empty. */
  readonly task: string;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/** Lines of attempts that have ended from the database, and of those that run from their hosts. */
export async function* orderLogs(options: OrderLogsOptions): AsyncGenerator<OrderLogLine> {
  const { follow, signal } = options;
  const queue = new Lines();
  const ended = new AbortController();
  const live = AbortSignal.any([signal, ended.signal]);
  const pump = new Pump(options, queue, live);
  const watching = (async () => {
    try {
      for await (const order of options.orders) {
        await pump.tell(order);
        if (!follow || live.aborted) break;
      }
      await pump.settle();
      queue.close();
    } catch (thrown) {
      queue.close(thrown);
    }
  })();
  try {
    yield* queue;
  } finally {
    ended.abort();
    await watching;
  }
}

/** Tells of each attempt once. */
class Pump {
  readonly #options: OrderLogsOptions;
  readonly #queue: Lines;
  readonly #signal: AbortSignal;
  /** Attempts of which stored lines were told. */
  readonly #stored = new Set<string>();
  /** Lines that came from hosts, by attempt, and the end of their coming. */
  readonly #live = new Map<string, Promise<number>>();

  constructor(options: OrderLogsOptions, queue: Lines, signal: AbortSignal) {
    this.#options = options;
    this.#queue = queue;
    this.#signal = signal;
  }

  async tell({ tasks }: OrderWithTasks): Promise<void> {
    const { store, id, task } = this.#options;
    for (const { task: name, attempt, lines } of await store.logs(id, task)) {
      const key = `${name} ${attempt}`;
      if (this.#stored.has(key)) continue;
      this.#stored.add(key);
      const all = parseLines(name, attempt, lines);
      const told = (await this.#live.get(key)) ?? 0;
      // The last one is what orders say of its end.
      for (const line of told > 0 ? all.slice(-1) : all) this.#queue.push(line);
    }
    for (const row of tasks) {
      const key = `${row.name} ${row.attempts}`;
      if (row.state !== "running" || (task !== "" && row.name !== task)) continue;
      if (this.#stored.has(key) || this.#live.has(key)) continue;
      this.#live.set(key, this.#tellLive(row));
    }
  }

  /** Resolves when nothing more comes from hosts. */
  async settle(): Promise<void> {
    await Promise.all(this.#live.values());
  }

  async #tellLive(row: TaskRow): Promise<number> {
    const { jobLogs, follow } = this.#options;
    let count = 0;
    if (row.kind !== "job") return count;
    for await (const entry of jobLogs(row, follow, this.#signal)) {
      this.#queue.push({ task: row.name, attempt: row.attempts, ...entry });
      count++;
    }
    return count;
  }
}

/** What several write and one reads. */
class Lines implements AsyncIterable<OrderLogLine> {
  readonly #lines: OrderLogLine[] = [];
  #closed = false;
  #error: unknown;
  #wake = Promise.withResolvers<void>();

  push(line: OrderLogLine): void {
    this.#lines.push(line);
    this.#wake.resolve();
  }

  close(error?: unknown): void {
    this.#closed = true;
    this.#error = error;
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OrderLogLine> {
    for (;;) {
      const [line] = this.#lines.splice(0, 1);
      if (line !== undefined) yield line;
      else if (this.#closed) break;
      else {
        this.#wake = Promise.withResolvers();
        await this.#wake.promise;
      }
    }
    if (this.#error !== undefined) throw this.#error;
  }
}
