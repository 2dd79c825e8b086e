import { useEffect, useRef, useState } from "preact/hooks";
import { logs } from "../clients/logs.ts";
import { CopyButton } from "../code/CopyButton.tsx";
import { ErrorNote } from "../components/Note.tsx";
import { useStream } from "../stream.ts";
import { ansiPieces } from "./ansi.ts";
import {
  addLines,
  emptyBuffer,
  type LogBuffer,
  type LogLine,
  mostLines,
  type NumberedLine,
} from "./buffer.ts";
import "./logs.css";

interface Props {
  readonly service: string;
  readonly version: string;
  /** Only this one at first. */
  readonly instance?: string;
}

/** Lines that are asked for before what comes. */
const tail = 500;
/** Lines that are drawn; a page with thousands is slow. */
const mostDrawn = 1_000;

interface Filters {
  readonly version: string;
  readonly instance: string;
  readonly host: string;
  readonly contains: string;
}

/** Output of all instances of a service, as it comes. Scrolling up stops it from running away. */
export function LogView({ service, version, instance = "" }: Props) {
  const [filters, setFilters] = useState<Filters>({ version, instance, host: "", contains: "" });
  const [text, setText] = useState("");
  const [follow, setFollow] = useState(true);
  const set = (part: Partial<Filters>) => setFilters((before) => ({ ...before, ...part }));
  useEffect(() => {
    // So that each key does not open a stream.
    const timer = setTimeout(() => set({ contains: text.trim() }), 300);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <section class="stack logs" aria-label="Logs">
      <div class="row logs-filters">
        <label>
          Version{" "}
          <input
            value={filters.version}
            placeholder="all"
            onChange={({ currentTarget }) => set({ version: currentTarget.value.trim() })}
          />
        </label>
        <label>
          Instance{" "}
          <input
            value={filters.instance}
            placeholder="all"
            onChange={({ currentTarget }) => set({ instance: currentTarget.value.trim() })}
          />
        </label>
        <label>
          Host{" "}
          <input
            value={filters.host}
            placeholder="all"
            onChange={({ currentTarget }) => set({ host: currentTarget.value.trim() })}
          />
        </label>
        <label>
          Contains{" "}
          <input type="search" value={text} onInput={({ currentTarget }) => setText(currentTarget.value)} />
        </label>
        <label class="row">
          <input
            type="checkbox"
            checked={follow}
            onChange={({ currentTarget }) => setFollow(currentTarget.checked)}
          />
          follow
        </label>
      </div>
      <LogStream
        key={JSON.stringify([service, filters, follow])}
        service={service}
        filters={filters}
        follow={follow}
        onFilter={set}
      />
    </section>
  );
}

interface StreamProps {
  readonly service: string;
  readonly filters: Filters;
  readonly follow: boolean;
  readonly onFilter: (part: Partial<Filters>) => void;
}

function LogStream({ service, filters, follow, onFilter }: StreamProps) {
  const [buffer, setBuffer] = useState<LogBuffer>(emptyBuffer);
  const waiting = useRef<LogLine[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const latest = useRef(0n);
  useEffect(() => () => clearTimeout(timer.current), []);
  const { status, error } = useStream("log", {
    endless: follow,
    open: (signal) =>
      logs.readLogs(
        {
          service,
          ...filters,
          // After a loss, only what is new.
          fromMs: latest.current === 0n ? 0n : latest.current + 1n,
          toMs: 0n,
          tail,
          follow,
        },
        { signal, deadlineMs: 0 },
      ),
    onMessage({ lines }) {
      waiting.current.push(...lines);
      const last = lines.at(-1);
      if (last !== undefined && last.atMs > latest.current) latest.current = last.atMs;
      // A burst is drawn at once.
      timer.current ??= setTimeout(() => {
        timer.current = undefined;
        const more = waiting.current;
        waiting.current = [];
        setBuffer((before) => addLines(before, more));
      }, 50);
    },
  });
  return (
    <>
      {error !== undefined && status === "ended" && <ErrorNote error={error} what="the logs" />}
      <Lines buffer={buffer} status={status} follow={follow} onFilter={onFilter} />
    </>
  );
}

interface LinesProps {
  readonly buffer: LogBuffer;
  readonly status: string;
  readonly follow: boolean;
  readonly onFilter: (part: Partial<Filters>) => void;
}

function Lines({ buffer, status, follow, onFilter }: LinesProps) {
  const box = useRef<HTMLDivElement>(null);
  const [paused, setPaused] = useState(false);
  const [frozen, setFrozen] = useState<LogBuffer>(buffer);
  const shown = paused ? frozen : buffer;
  const lines = shown.lines.slice(-mostDrawn);
  const missed = buffer.count - shown.count;
  useEffect(() => {
    const { current } = box;
    if (current !== null && !paused) current.scrollTop = current.scrollHeight;
  }, [buffer, paused]);
  const onScroll = () => {
    const { current } = box;
    if (current === null) return;
    const atEnd = current.scrollHeight - current.scrollTop - current.clientHeight < 24;
    if (!atEnd && !paused) setFrozen(buffer);
    if (atEnd === paused) setPaused(!atEnd);
  };
  return (
    <>
      <div class="row spread">
        <span class="soft" data-testid="log-status">
          {statusText(status, follow)}
          {` · ${buffer.count.toLocaleString("en")} lines`}
          {buffer.count > mostLines && `, the latest ${mostLines.toLocaleString("en")} are kept`}
        </span>
        <span class="row">
          {paused && (
            <button type="button" class="primary" onClick={() => setPaused(false)}>
              {missed > 0 ? `Go on (${missed.toLocaleString("en")} new)` : "Go on"}
            </button>
          )}
          <CopyButton label="Copy lines" text={() => shown.lines.map(plainLine).join("\n")} />
        </span>
      </div>
      <div
        ref={box}
        class="logs-box"
        role="log"
        aria-live="off"
        aria-label="Lines"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled by the keyboard, too.
        tabIndex={0}
        onScroll={onScroll}
      >
        {lines.length === 0 && (
          <p class="soft">{status === "ended" || status === "open" ? "No lines match." : "No lines yet."}</p>
        )}
        {lines.map((line) => (
          <Line key={line.number} line={line} onFilter={onFilter} />
        ))}
      </div>
    </>
  );
}

function Line({
  line,
  onFilter,
}: {
  readonly line: NumberedLine;
  readonly onFilter: LinesProps["onFilter"];
}) {
  const time = new Date(Number(line.atMs));
  return (
    <div class={`logs-line ${line.stream === "stderr" ? "stderr" : ""}`}>
      <time dateTime={time.toISOString()} title={time.toISOString()}>
        {time.toLocaleTimeString("en-GB")}
      </time>
      <button
        type="button"
        class="plain logs-instance"
        title={`${line.version} on ${line.host}: only this instance`}
        onClick={() => onFilter({ instance: line.instance })}
      >
        {line.instance.slice(-8)}
      </button>
      <span class="logs-text">
        {ansiPieces(line.text).map(({ text, style }, i) =>
          style === "" ? (
            text
          ) : (
            <span key={i} class={style}>
              {text}
            </span>
          ),
        )}
      </span>
    </div>
  );
}

function plainLine(line: NumberedLine): string {
  const text = ansiPieces(line.text)
    .map((piece) => piece.text)
    .join("");
  return `${new Date(Number(line.atMs)).toISOString()} ${line.instance} ${line.stream} ${text}`;
}

function statusText(status: string, follow: boolean): string {
  // The stream's first sign of life is its first line.
  if (status === "connecting") return follow ? "Following" : "Reading";
  if (status === "lost") return "Connection lost, trying again …";
  if (status === "open") return follow ? "Following" : "Reading";
  return "Ended";
}
