import { useMemo, useState } from "preact/hooks";
import { CopyButton } from "../code/CopyButton.tsx";
import { Note } from "../components/Note.tsx";
import { formatMs, type TraceSpan } from "../trace/spans.ts";
import { useTrace } from "../trace/use-trace.ts";
import { Waterfall } from "../trace/Waterfall.tsx";
import { Answers } from "./Answers.tsx";
import type { HeaderLine } from "./call.ts";
import type { Run } from "./run.ts";
import { Waking } from "./Waking.tsx";

interface Props {
  readonly run: Run;
  readonly service: string;
  readonly method: string;
  readonly version: string;
}

/** What has come of a call: status, time, answers, headers, trailers, trace. */
export function Result({ run, service, method, version }: Props) {
  const { state, error, endMs, firstMs, count } = run;
  return (
    <section class="stack" aria-label="Result">
      <div class="panel stack">
        <div class="row spread">
          <h2 class="row">Result {statusBadge(run)}</h2>
          <span class="soft try-times" data-testid="times">
            {endMs !== undefined && `${formatMs(endMs)} in all`}
            {firstMs !== undefined &&
              endMs !== undefined &&
              count > 1 &&
              `, first answer after ${formatMs(firstMs)}`}
          </span>
        </div>
        {state === "waiting" && (
          <Waking key={run.trace.traceId} run={run} service={service} version={version} />
        )}
        {error !== undefined && (
          <Note kind="error">
            <strong>{error.status}</strong> {error.message} <code class="reason">{error.reason}</code>
            <Facts facts={Object.entries(error.metadata)} />
          </Note>
        )}
        {(count > 0 || state === "done") && <Answers run={run} />}
        <HeaderTable title="Headers" lines={run.header} />
        <HeaderTable title="Trailers" lines={run.trailer} />
      </div>
      <CallTrace run={run} service={service} method={method} />
    </section>
  );
}

function statusBadge({ state, error }: Run) {
  if (state === "waiting")
    return (
      <span class="badge warn starting">
        <span class="dot" /> waiting
      </span>
    );
  if (state === "streaming")
    return (
      <span class="badge info starting">
        <span class="dot" /> streaming
      </span>
    );
  if (state === "stopped") return <span class="badge">stopped</span>;
  if (state === "done") return <span class="badge good">OK</span>;
  return <span class="badge bad">{error?.status ?? "failed"}</span>;
}

function Facts({ facts }: { readonly facts: readonly (readonly [string, string])[] }) {
  if (facts.length === 0) return null;
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name} class="try-fact">
          <dt>{name}</dt>
          <dd class="mono">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function HeaderTable({ title, lines }: { readonly title: string; readonly lines: readonly HeaderLine[] }) {
  if (lines.length === 0) return null;
  return (
    <details>
      <summary>{`${title} (${lines.length})`}</summary>
      <Facts facts={lines} />
    </details>
  );
}

function CallTrace({ run, service, method }: Pick<Props, "run" | "service" | "method">) {
  const { trace, endMs, startedAtMs, error } = run;
  const page = useMemo<TraceSpan | undefined>(
    () =>
      endMs === undefined
        ? undefined
        : {
            spanId: trace.spanId,
            parentSpanId: "",
            name: `${service}/${method}`,
            service: "this page",
            startMs: startedAtMs,
            durationMs: endMs,
            error: error?.message ?? "",
            attributes: {},
          },
    [trace, endMs],
  );
  const [open, setOpen] = useState(true);
  if (page === undefined) return null;
  return (
    <details class="panel" open={open} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <h2 class="try-summary">Trace</h2> <code class="soft">{trace.traceId}</code>
      </summary>
      {open && <TraceOf key={trace.traceId} traceId={trace.traceId} page={page} />}
    </details>
  );
}

function TraceOf({ traceId, page }: { readonly traceId: string; readonly page: TraceSpan }) {
  const { spans, waiting, problem } = useTrace(traceId, page);
  return (
    <div class="stack">
      <div class="row spread">
        <span role="status" class="soft">
          {waiting ? "More spans may come: Envoy hands its own over every 5 s." : problem}
        </span>
        <CopyButton label="Copy id" text={() => traceId} />
      </div>
      <Waterfall spans={spans} caption="Spans of this call" />
    </div>
  );
}
