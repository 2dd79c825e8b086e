import { useCallback, useEffect, useState } from "preact/hooks";
import { isCancelled, RouseError, useAgainWithKey } from "./api.ts";

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
  const asked = `${turn} ${key}`;
  const [state, setState] = useState<Answer<T>>({ to: undefined, value: undefined, error: undefined });
  useEffect(() => {
    const controller = new AbortController();
    ask(controller.signal).then(
      (value) => {
        if (!controller.signal.aborted) setState({ to: asked, value, error: undefined });
      },
      (thrown: unknown) => {
        if (controller.signal.aborted || isCancelled(thrown)) return;
        setState({ to: asked, value: undefined, error: RouseError.from(thrown) });
      },
    );
    return () => controller.abort();
  }, [asked]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  useAgainWithKey(state.error, reload);
  const loading = state.to !== asked;
  return { value: state.value, error: loading ? undefined : state.error, loading, reload };
}

interface Answer<T> {
  /** The question that it answers. */
  readonly to: string | undefined;
  readonly value: T | undefined;
  readonly error: RouseError | undefined;
}
