import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useStream } from "../stream.ts";
import "./log.css";

/** Lines of a log that a page keeps. */
const MOST_LINES = 20_000;

/**
 * The lines of a log as it grows.
 *
 * @param key another one is another log.
 * @param open asks for the log from its beginning to its end.
 */
export function useLogLines<Line>(key: string, open: (signal: AbortSignal) => AsyncIterable<Line>) {
  const [lines, setLines] = useState<readonly Line[]>([]);
  const pending = useRef<Line[]>([]);
  const frame = useRef(0);
  const { status, error } = useStream(key, {
    endless: false,
    open: (signal) => {
      pending.current = [];
      setLines([]);
      return open(signal);
    },
    onMessage: (line) => {
      // A log may come faster than a page is drawn.
      pending.current.push(line);
      if (frame.current !== 0) return;
      frame.current = requestAnimationFrame(() => {
        frame.current = 0;
        const more = pending.current;
        pending.current = [];
        setLines((before) => [...before, ...more].slice(-MOST_LINES));
      });
    },
  });
  useEffect(() => () => cancelAnimationFrame(frame.current), []);
  return { lines, status, error };
}

interface Props {
  readonly label: string;
  /** The lines change when this does. */
  readonly lines: readonly unknown[];
  /** A `<div>` for each line: a heading of the class "step", and the text. */
  readonly children: ComponentChildren;
}

/** A log that stays at its end while the reader is there. */
export function LogLines({ label, lines, children }: Props) {
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    if (atEnd.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  return (
    <pre
      class="log-lines"
      ref={box}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
      tabIndex={0}
      role="log"
      aria-label={label}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        atEnd.current = scrollHeight - scrollTop - clientHeight < 30;
      }}
    >
      {children}
    </pre>
  );
}
