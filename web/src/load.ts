import { useCallback, useEffect, useState } from "preact/hooks";
import { isCancelled, RouseError } from "./api.ts";

/** What a page knows of an answer that it has asked for. */
export interface Loaded<T> {
  /** The latest answer; it stays while the next one is on its way. */
  readonly value: T | undefined;
  readonly error: RouseError | undefined;
  readonly loading: boolean;
  /** Asks again. */
  readonly reload: () => void;
}

/**
 * Asks for something when the component appears and whenever `key` changes; a question that is out of date is
 * cancelled.
 */
export function useLoad<T>(key: string, ask: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState<Omit<Loaded<T>, "reload">>({
    value: undefined,
    error: undefined,
    loading: true,
  });
  useEffect(() => {
    const controller = new AbortController();
    setState((before) => ({ ...before, error: undefined, loading: true }));
    ask(controller.signal).then(
      (value) => {
        if (!controller.signal.aborted) setState({ value, error: undefined, loading: false });
      },
      (thrown: unknown) => {
        if (controller.signal.aborted || isCancelled(thrown)) return;
        setState({ value: undefined, error: RouseError.from(thrown), loading: false });
      },
    );
    return () => controller.abort();
  }, [key, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  return { ...state, reload };
}
