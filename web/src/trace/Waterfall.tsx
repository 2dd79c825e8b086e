import { useState } from "preact/hooks";
import { formatMs, stages, type TraceSpan, type WaterfallRow, waterfall } from "./spans.ts";
import "./trace.css";

interface Props {
  readonly spans: readonly TraceSpan[];
  /** What the table is about. */
  readonly caption: string;
}

/** Spans of a trace against time: a table that can be read without its bars. */
export function Waterfall({ spans, caption }: Props) {
  const { rows, totalMs } = waterfall(spans);
  const [open, setOpen] = useState<string>();
  const used = new Set(rows.map(({ stage }) => stage));
  if (rows.length === 0) return <p class="soft">This trace has no spans.</p>;
  return (
    <div class="waterfall">
      <table>
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Span</th>
            <th scope="col" class="number">
              Start
            </th>
            <th scope="col" class="number">
              Time
            </th>
            <th scope="col" class="waterfall-axis">
              <span class="visually-hidden">Bar</span>
              <span aria-hidden="true">0</span>
              <span aria-hidden="true">{formatMs(totalMs / 2)}</span>
              <span aria-hidden="true">{formatMs(totalMs)}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <SpanRow
              key={row.span.spanId}
              row={row}
              totalMs={totalMs}
              open={open === row.span.spanId}
              onToggle={() => setOpen(open === row.span.spanId ? undefined : row.span.spanId)}
            />
          ))}
        </tbody>
      </table>
      {rows.length < spans.length && (
        <p class="soft">{`The first ${rows.length} of ${spans.length} spans.`}</p>
      )}
      {rows.some(({ stage }) => stage !== undefined) && (
        <ul class="waterfall-legend" aria-label="Stages of a wake">
          {stages
            .filter(({ name }) => used.has(name))
            .map(({ name, means }) => (
              <li key={name}>
                <span class={`waterfall-key stage-${name}`} aria-hidden="true" /> <strong>{name}</strong>{" "}
                {means}
              </li>
            ))}
        </ul>
      )}
    </div>
  );
}

interface RowProps {
  readonly row: WaterfallRow;
  readonly totalMs: number;
  readonly open: boolean;
  readonly onToggle: () => void;
}

function SpanRow({ row: { span, depth, offsetMs, stage }, totalMs, open, onToggle }: RowProps) {
  const left = (100 * offsetMs) / totalMs;
  const width = Math.min(100 - left, Math.max(0.4, (100 * span.durationMs) / totalMs));
  const facts = Object.entries(span.attributes);
  return (
    <>
      <tr class={span.error === "" ? "" : "failed"}>
        <th scope="row">
          <button
            type="button"
            class="plain waterfall-name"
            style={{ paddingLeft: `${depth * 14}px` }}
            aria-expanded={open}
            onClick={onToggle}
          >
            {depth > 0 && (
              <span class="soft" aria-hidden="true">
                {"└ "}
              </span>
            )}
            {stage ?? span.name} <span class="soft">{stage === undefined ? span.service : ""}</span>
            {span.error !== "" && <span class="badge bad">failed</span>}
          </button>
        </th>
        <td class="number">{formatMs(offsetMs)}</td>
        <td class="number">{formatMs(span.durationMs)}</td>
        <td class="waterfall-track" aria-hidden="true">
          <span
            class={`waterfall-bar ${stage === undefined ? "" : `stage-${stage}`}`}
            style={{ left: `${left}%`, width: `${width}%` }}
          />
        </td>
      </tr>
      {open && (
        <tr class="waterfall-facts">
          <td colSpan={4}>
            {span.error !== "" && <p class="waterfall-error">{span.error}</p>}
            {facts.length === 0 ? (
              <span class="soft">This span has no attributes.</span>
            ) : (
              <dl class="facts">
                {facts.map(([name, value]) => (
                  <div key={name} class="waterfall-fact">
                    <dt>{name}</dt>
                    <dd class="mono">{value}</dd>
                  </div>
                ))}
              </dl>
            )}
          </td>
        </tr>
      )}
    </>
  );
}
