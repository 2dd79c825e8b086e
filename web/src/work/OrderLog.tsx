import { useEffect, useRef, useState } from "preact/hooks";
import type { OrderLogLine } from "../../gen/rouse/orders/v1/orders.ts";
import { orders } from "../clients/orders.ts";
import { ErrorNote } from "../components/Note.tsx";
import { useStream } from "../stream.ts";
import "../pages/build.css";

interface Props {
  readonly id: string;
  /** Only of this task; "": all. */
  readonly task: string;
  /** Changes when the order is taken up again: its log goes on then. */
  readonly turn: number;
}

/** Lines that the page keeps. */
const MOST_LINES = 20_000;

/** What the tasks of an order have written, attempt by attempt, as it comes. */
export function OrderLog({ id, task, turn }: Props) {
  const [lines, setLines] = useState<readonly OrderLogLine[]>([]);
  const pending = useRef<OrderLogLine[]>([]);
  const frame = useRef(0);
  const { status, error } = useStream(`${id} ${task} ${turn}`, {
    endless: false,
    open: (signal) => {
      pending.current = [];
      setLines([]);
      return orders.orderLogs({ id, task, follow: true }, { signal, deadlineMs: 0 });
    },
    onMessage: (line) => {
      // Lines may come faster than a page is drawn.
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
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    if (atEnd.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  return (
    <section class="stack" aria-label="Log">
      <h2>{task === "" ? "Log" : `Log of ${task}`}</h2>
      {status === "ended" && error !== undefined && <ErrorNote error={error} what="the log" />}
      {lines.length === 0 && error === undefined && (
        <p class="soft">{status === "ended" ? "Nothing was written." : "Nothing is written yet."}</p>
      )}
      {lines.length > 0 && (
        <pre
          class="build-log"
          ref={box}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
          tabIndex={0}
          role="log"
          aria-label="Lines of the log"
          onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
            atEnd.current = scrollHeight - scrollTop - clientHeight < 30;
          }}
        >
          {lines.map((line, index) => (
            <div
              key={index}
              class={line.stream === "stderr" ? "stderr" : line.stream === "order" ? "soft" : ""}
            >
              <span class="step">{heading(line) === heading(lines[index - 1]) ? "" : heading(line)}</span>
              <span>{line.line}</span>
            </div>
          ))}
        </pre>
      )}
    </section>
  );
}

function heading(line: OrderLogLine | undefined): string {
  if (line === undefined) return "";
  return line.attempt > 1 ? `${line.task} (${line.attempt})` : line.task;
}
