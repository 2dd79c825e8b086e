import { statusObject } from "../sdk/answer.ts";
import { RouseError } from "../sdk/errors.ts";
import type { Changes } from "./database/changes.ts";

/** Something in the database whose changes are told on a channel by its id. */
export interface Followed<Row> {
  readonly changes: Changes;
  readonly channel: string;
  readonly id: string;
  /** As it is now. */
  read(): Promise<Row>;
  /** Grows with each change, from 1. */
  revisionOf(row: Row): number;
  isOver(row: Row): boolean;
}

/** As it is and with each change, until it has ended or the signal says so. */
export async function* follow<Row>(
  { changes, channel, id, read, revisionOf, isOver }: Followed<Row>,
  signal: AbortSignal,
): AsyncGenerator<Row> {
  let changed = Promise.withResolvers<void>();
  const wake = () => changed.resolve();
  const unlisten = changes.listen(channel, (other) => {
    if (other === undefined || other === id) wake();
  });
  signal.addEventListener("abort", wake, { once: true });
  let revision = 0;
  try {
    for (;;) {
      const next = Promise.withResolvers<void>();
      changed = next;
      if (signal.aborted) next.resolve();
      const row = await read();
      if (revisionOf(row) > revision) yield row;
      revision = revisionOf(row);
      if (isOver(row) || signal.aborted) return;
      await next.promise;
    }
  } finally {
    unlisten();
  }
}

export async function last<Row>(rows: AsyncIterable<Row>): Promise<Row> {
  let found: Row | undefined;
  for await (const row of rows) found = row;
  if (found === undefined) throw new RouseError("INTERNAL", "Something was followed and never seen.");
  return found;
}

interface Cancellable {
  readonly cancelled: boolean;
  on(event: "cancelled", listener: () => void): unknown;
}

/** The last of what is followed until its end, or until the caller has gone or its time is over. @param timeoutMs 0: none. */
export async function waitForEnd<Row>(
  call: Cancellable,
  timeoutMs: number,
  rows: (signal: AbortSignal) => AsyncIterable<Row>,
): Promise<Row> {
  const gone = new AbortController();
  call.on("cancelled", () => gone.abort());
  // Nobody tells it again of a caller that went while something else was waited for.
  if (call.cancelled) gone.abort();
  const timer = timeoutMs > 0 ? setTimeout(() => gone.abort(), timeoutMs) : undefined;
  try {
    return await last(rows(gone.signal));
  } finally {
    clearTimeout(timer);
  }
}

/** The server's side of a stream of answers. */
interface Answers<Response> extends Cancellable {
  write(response: Response): boolean;
  once(event: "drain", listener: () => void): unknown;
  emit(event: "error", error: ReturnType<typeof statusObject>): boolean;
  end(): unknown;
}

/** Answers a call with all of them, as fast as the caller takes them, until the caller has gone. */
export async function streamAnswers<Response>(
  call: Answers<Response>,
  answers: (signal: AbortSignal) => AsyncIterable<Response>,
): Promise<void> {
  const gone = new AbortController();
  call.on("cancelled", () => gone.abort());
  try {
    for await (const one of answers(gone.signal)) {
      if (gone.signal.aborted) return;
      if (call.write(one)) continue;
      const aborted = new Promise<void>((resolve) =>
        gone.signal.addEventListener("abort", () => resolve(), { once: true }),
      );
      await Promise.race([new Promise<void>((resolve) => call.once("drain", resolve)), aborted]);
    }
    call.end();
  } catch (thrown) {
    if (!gone.signal.aborted) call.emit("error", statusObject(thrown));
  }
}
