import { useEffect, useState } from "preact/hooks";
import { isUnimplemented, RouseError, useAgainWithKey } from "./api.ts";

/** How a stream is doing. */
export interface StreamState {
  readonly status: "connecting" | "open" | "lost" | "ended";
  /** Why it was lost or ended. */
  readonly error: RouseError | undefined;
}

export interface FollowOptions<T> {
  /** Opens the stream; called again after each loss. */
  readonly open: (signal: AbortSignal) => AsyncIterable<T>;
  readonly onMessage: (message: T) => void;
  readonly onState: (state: StreamState) => void;
  /** Opens it again after a regular end, too. Default true; false for what has an end, such as a build's log. */
  readonly endless?: boolean;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
/** A stream that lasted so long is opened again at once. */
const SETTLED_MS = 5_000;

/**
 * Keeps a server stream open: after a loss it is opened again, after 0.5 s at first and then ever later, up to
 * 15 s. It ends for good when the server does not have it, or refuses it. A hidden page gives its connection back, as
 * browsers allow only six to one origin over HTTP/1.1.
 *
 * @returns ends it.
 */
export function follow<T>({ open, onMessage, onState, endless = true }: FollowOptions<T>): () => void {
  let stopped = false;
  let controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let pause = FIRST_PAUSE_MS;
  let done = false;

  const id = {};
  const report = (state: StreamState) => {
    setLost(id, state.status === "lost");
    onState(state);
  };

  const run = async () => {
    controller = new AbortController();
    const { signal } = controller;
    const current = () => !stopped && !signal.aborted;
    let error: RouseError | undefined;
    let answered = false;
    const begun = performance.now();
    try {
      for await (const message of open(signal)) {
        if (!current()) return;
        answered = true;
        pause = FIRST_PAUSE_MS;
        report({ status: "open", error: undefined });
        onMessage(message);
      }
    } catch (thrown) {
      error = RouseError.from(thrown);
    }
    if (!current()) return;
    if ((error === undefined && !endless) || (error !== undefined && isFinal(error))) {
      done = true;
      report({ status: "ended", error });
      return;
    }
    // A proxy on the way may end streams that are old: no news for the reader.
    if (answered && performance.now() - begun > SETTLED_MS) {
      timer = setTimeout(() => void run(), 0);
      return;
    }
    report({ status: "lost", error });
    timer = setTimeout(() => void run(), pause * (0.8 + 0.4 * Math.random()));
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  };

  const onVisibility = () => {
    clearTimeout(timer);
    if (done) return;
    controller.abort();
    if (document.visibilityState === "visible") void run();
  };
  // What has an end is not worth reading twice.
  if (endless) document.addEventListener("visibilitychange", onVisibility);
  report({ status: "connecting", error: undefined });
  void run();
  return () => {
    stopped = true;
    setLost(id, false);
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onVisibility);
    controller.abort();
  };
}

const lost = new Set<object>();
const watchers = new Set<() => void>();

function setLost(stream: object, isLost: boolean): void {
  if (lost.has(stream) === isLost) return;
  if (isLost) lost.add(stream);
  else lost.delete(stream);
  for (const watcher of [...watchers]) watcher();
}

/** True while a stream of the page is lost, and what is shown may be out of date. */
export function useConnectionLost(): boolean {
  const [value, setValue] = useState(lost.size > 0);
  useEffect(() => {
    const update = () => setValue(lost.size > 0);
    watchers.add(update);
    update();
    return () => {
      watchers.delete(update);
    };
  }, []);
  return value;
}

const final = new Set(["INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED"]);

function isFinal(error: RouseError): boolean {
  return isUnimplemented(error) || final.has(error.status);
}

/** As {@link follow}, while the component is shown; `key` stands for all that the stream depends on. */
export function useStream<T>(key: string, options: Omit<FollowOptions<T>, "onState">): StreamState {
  const [state, setState] = useState<StreamState>({ status: "connecting", error: undefined });
  const [turn, setTurn] = useState(0);
  useAgainWithKey(state.error, () => setTurn((before) => before + 1));
  useEffect(
    () =>
      follow({
        ...options,
        onState: (next) =>
          setState((before) =>
            before.status === next.status && before.error === next.error ? before : next,
          ),
      }),
    [key, turn],
  );
  return state;
}
