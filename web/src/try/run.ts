import { RouseError } from "rouse/browser";
import { type CallPlan, call, type HeaderLine, newTrace, type PageTrace } from "./call.ts";
import type { Json } from "./json.ts";

/** Messages of a stream that are kept; older ones are dropped. */
export const mostKept = 1_000;

/** One answer. */
export interface Answer {
  /** 1 is the first of the stream. */
  readonly number: number;
  /** ms since the call began. */
  readonly atMs: number;
  readonly json: Json;
}

/** A call and what has come of it. */
export interface Run {
  readonly trace: PageTrace;
  /** "waiting": for the first answer; "stopped": by the user. */
  readonly state: "waiting" | "streaming" | "done" | "stopped" | "failed";
  /** ms since 1970. */
  readonly startedAtMs: number;
  /** ms from the start; undefined: not yet. */
  readonly firstMs: number | undefined;
  readonly endMs: number | undefined;
  /** All that came, kept or not. */
  readonly count: number;
  /** The latest answers, oldest first. */
  readonly answers: readonly Answer[];
  readonly header: readonly HeaderLine[];
  readonly trailer: readonly HeaderLine[];
  readonly error: RouseError | undefined;
}

/**
 * Makes a call and tells how it goes, at most once for each frame: a stream may be faster than a page can draw.
 *
 * @returns ends the call.
 */
export function startRun(plan: CallPlan, show: (run: Run) => void): () => void {
  const controller = new AbortController();
  const began = performance.now();
  const startedAtMs = Date.now();
  const since = () => performance.now() - began;
  let answers: Answer[] = [];
  let run: Run = {
    trace: newTrace(),
    state: "waiting",
    startedAtMs,
    firstMs: undefined,
    endMs: undefined,
    count: 0,
    answers,
    header: [],
    trailer: [],
    error: undefined,
  };
  let frame: ReturnType<typeof setTimeout> | undefined;
  const change = (part: Partial<Run>) => {
    run = { ...run, ...part };
    frame ??= setTimeout(flush, 16);
  };
  const flush = () => {
    clearTimeout(frame);
    frame = undefined;
    if (answers.length > mostKept) answers = answers.slice(-mostKept);
    run = { ...run, answers: [...answers] };
    show(run);
  };
  const end = (state: Run["state"], error?: RouseError) => {
    change({ state, error, endMs: since() });
    flush();
  };
  flush();
  call(
    plan,
    run.trace,
    {
      onHeader: (header) => change({ header }),
      onTrailer: (trailer) => change({ trailer }),
      onMessage(json) {
        const atMs = since();
        answers.push({ number: run.count + 1, atMs, json });
        if (answers.length > 2 * mostKept) answers = answers.slice(-mostKept);
        change({ state: "streaming", count: run.count + 1, firstMs: run.firstMs ?? atMs });
      },
    },
    controller.signal,
  ).then(
    () => end("done"),
    (thrown: unknown) => {
      if (controller.signal.aborted) end("stopped");
      else end("failed", RouseError.from(thrown));
    },
  );
  return () => controller.abort();
}
