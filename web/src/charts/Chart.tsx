import { useEffect, useId, useRef, useState } from "preact/hooks";
import { type Line, marks, timeLabel } from "./series.ts";

interface Props {
  readonly title: string;
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  /** "bars" are stacked. */
  readonly kind: "bars" | "lines";
  /** How a value is written. */
  readonly format: (value: number) => string;
  readonly whole?: boolean;
  /** A sentence that says what is to be seen. */
  readonly summary: string;
  readonly rangeMs: number;
}

const height = 150;
const edge = { left: 64, right: 8, top: 8, bottom: 22 };

/** Lines or stacked bars against time; values under the pointer or by the arrow keys, and as a table. */
export function Chart({ title, times, lines, kind, format, whole = false, summary, rangeMs }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  const [cursor, setCursor] = useState<number>();
  const id = useId();
  useEffect(() => {
    const { current } = box;
    if (current === null) return undefined;
    const observer = new ResizeObserver(([entry]) =>
      setWidth(Math.max(240, entry?.contentRect.width ?? 600)),
    );
    observer.observe(current);
    return () => observer.disconnect();
  }, []);
  const inner = width - edge.left - edge.right;
  const slot = inner / Math.max(1, times.length);
  const tops = times.map((_, i) =>
    kind === "bars"
      ? lines.reduce((sum, { values }) => sum + (values[i] ?? 0), 0)
      : Math.max(0, ...lines.map(({ values }) => values[i] ?? 0)),
  );
  const levels = marks(Math.max(0, ...tops), whole);
  const most = levels.at(-1) ?? 1;
  const x = (i: number) => edge.left + (i + 0.5) * slot;
  const y = (value: number) => edge.top + (height - edge.top - edge.bottom) * (1 - value / most);
  const every = Math.max(1, Math.ceil(times.length / Math.max(2, Math.floor(inner / 90))));
  const move = (by: number) =>
    setCursor((before) => Math.min(times.length - 1, Math.max(0, (before ?? times.length) + by)));
  const at = cursor === undefined ? undefined : times[cursor];

  return (
    <figure class="chart" ref={box}>
      <figcaption class="row spread">
        <strong id={id}>{title}</strong>
        <span class="row chart-legend">
          {lines.map(({ name, color }) => (
            <span key={name}>
              <span class={`chart-key fill-${color}`} aria-hidden="true" /> {name}
            </span>
          ))}
        </span>
      </figcaption>
      {/* biome-ignore lint/a11y/noSvgWithoutTitle: the caption is its title; a title element would be a tooltip. */}
      <svg
        width={width}
        height={height}
        role="img"
        aria-labelledby={id}
        aria-describedby={`${id}-summary`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys go through its values.
        tabIndex={0}
        onPointerMove={(event) =>
          setCursor(Math.min(times.length - 1, Math.max(0, Math.floor((event.offsetX - edge.left) / slot))))
        }
        onPointerLeave={() => setCursor(undefined)}
        onBlur={() => setCursor(undefined)}
        onKeyDown={(event) => {
          if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
          event.preventDefault();
          move(event.key === "ArrowLeft" ? -1 : 1);
        }}
      >
        {levels.map((level) => (
          <g key={level}>
            <line class="chart-grid" x1={edge.left} x2={width - edge.right} y1={y(level)} y2={y(level)} />
            <text class="chart-label" x={edge.left - 6} y={y(level) + 4} text-anchor="end">
              {format(level)}
            </text>
          </g>
        ))}
        {times.map((time, i) =>
          i % every === Math.floor(every / 2) ? (
            <text key={time} class="chart-label" x={x(i)} y={height - 6} text-anchor="middle">
              {timeLabel(time, rangeMs)}
            </text>
          ) : null,
        )}
        {cursor !== undefined && (
          <rect
            class="chart-cursor"
            x={x(cursor) - slot / 2}
            y={edge.top}
            width={Math.max(1, slot)}
            height={height - edge.top - edge.bottom}
          />
        )}
        {kind === "bars"
          ? times.map((time, i) => {
              let sum = 0;
              return lines.map(({ name, color, values }) => {
                const value = values[i] ?? 0;
                if (value === 0) return null;
                const from = sum;
                sum += value;
                return (
                  <rect
                    key={`${time} ${name}`}
                    class={`fill-${color}`}
                    x={x(i) - slot * 0.4}
                    width={Math.max(1, slot * 0.8)}
                    y={y(sum)}
                    height={Math.max(1, y(from) - y(sum))}
                  />
                );
              });
            })
          : lines.map(({ name, color, values }) => (
              <g key={name} class={`stroke-${color}`}>
                <path d={pathOf(values, x, y)} fill="none" />
                {values.map((value, i) =>
                  value !== undefined && values[i - 1] === undefined && values[i + 1] === undefined ? (
                    <circle key={times[i]} class={`fill-${color}`} cx={x(i)} cy={y(value)} r={2.5} />
                  ) : null,
                )}
              </g>
            ))}
      </svg>
      <p class="chart-value" role="status">
        {at === undefined || cursor === undefined ? (
          <span id={`${id}-summary`}>{summary}</span>
        ) : (
          <>
            {new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}
            {lines.map(({ name, values }) => {
              const value = values[cursor];
              return <span key={name}>{` · ${name} ${value === undefined ? "–" : format(value)}`}</span>;
            })}
          </>
        )}
      </p>
      <DataTable title={title} times={times} lines={lines} format={format} />
    </figure>
  );
}

function pathOf(
  values: readonly (number | undefined)[],
  x: (i: number) => number,
  y: (value: number) => number,
): string {
  let begun = false;
  return values
    .map((value, i) => {
      if (value === undefined) {
        begun = false;
        return "";
      }
      const command = begun ? "L" : "M";
      begun = true;
      return `${command}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    })
    .join("");
}

/** The values as a table; points without any are left out. */
function DataTable({ title, times, lines, format }: Pick<Props, "title" | "times" | "lines" | "format">) {
  const [open, setOpen] = useState(false);
  const rows = times
    .map((time, i) => ({ time, values: lines.map(({ values }) => values[i]) }))
    .filter(({ values }) => values.some((value) => value !== undefined && value !== 0));
  return (
    <details class="chart-data" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{`${title} as a table`}</summary>
      {open && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">From</th>
                {lines.map(({ name }) => (
                  <th key={name} scope="col" class="number">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ time, values }) => (
                <tr key={time}>
                  <td>{new Date(time).toLocaleString()}</td>
                  {values.map((value, i) => (
                    <td key={lines[i]?.name} class="number">
                      {value === undefined ? "–" : format(value)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
