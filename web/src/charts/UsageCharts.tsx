import { useState } from "preact/hooks";
import { usage } from "../clients/usage.ts";
import { ErrorNote } from "../components/Note.tsx";
import { useLoad } from "../load.ts";
import { formatMs, stages } from "../trace/spans.ts";
import { Breakdown } from "./Breakdown.tsx";
import { Chart } from "./Chart.tsx";
import { chart, type Line, type Range, ranges, total, type UsagePoint } from "./series.ts";
import "./charts.css";

interface Props {
  readonly service: string;
  readonly version: string;
}

/** Calls, errors, latencies and cold starts of a service over time, and by method and caller. */
export function UsageCharts({ service, version }: Props) {
  const [range, setRange] = useState(ranges[0] as Range);
  const [all, setAll] = useState(false);
  const [method, setMethod] = useState("");
  const [caller, setCaller] = useState("");
  const filter = { service, version: all ? "" : version, method, caller };
  const key = JSON.stringify([filter, range.id]);
  const loaded = useLoad(key, async (signal) => {
    const toMs = Date.now();
    const fromMs = toMs - range.ms;
    const span = { fromMs: BigInt(fromMs), toMs: BigInt(toMs) };
    const [time, methods, callers] = await Promise.all([
      usage.queryUsage({ ...filter, ...span, stepMs: BigInt(range.stepMs), groupBy: [] }, { signal }),
      usage.queryUsage({ ...filter, ...span, method: "", stepMs: 0n, groupBy: ["method"] }, { signal }),
      usage.queryUsage({ ...filter, ...span, caller: "", stepMs: 0n, groupBy: ["caller"] }, { signal }),
    ]);
    const points = time.series[0]?.points ?? [];
    return { charted: chart(points, fromMs, toMs, range.stepMs), points, methods, callers };
  });
  const { value, error, loading, reload } = loaded;
  return (
    <section class="stack" aria-label="Usage">
      <div class="row">
        <fieldset class="chart-choice">
          <legend class="visually-hidden">Span of time</legend>
          {ranges.map((one) => (
            <button
              key={one.id}
              type="button"
              aria-pressed={one.id === range.id}
              onClick={() => setRange(one)}
            >
              {one.title}
            </button>
          ))}
        </fieldset>
        <label class="row">
          <input
            type="checkbox"
            checked={all}
            onChange={({ currentTarget }) => setAll(currentTarget.checked)}
          />
          all versions
        </label>
        {method !== "" && <Filter what="method" value={method} onClear={() => setMethod("")} />}
        {caller !== "" && <Filter what="caller" value={caller} onClear={() => setCaller("")} />}
        <button type="button" onClick={reload} disabled={loading}>
          {loading ? "Loading …" : "Look again"}
        </button>
      </div>
      {error !== undefined && <ErrorNote error={error} what="usage" />}
      {value !== undefined && (
        <>
          <Charts {...value} range={range} />
          <Breakdown
            title="Methods"
            rows={value.methods.series.map((s) => ({ name: s.method, points: s.points }))}
            chosen={method}
            onChoose={setMethod}
          />
          <Breakdown
            title="Callers"
            rows={value.callers.series.map((s) => ({ name: s.caller, points: s.points }))}
            chosen={caller}
            onChoose={setCaller}
          />
        </>
      )}
    </section>
  );
}

function Filter({
  what,
  value,
  onClear,
}: {
  readonly what: string;
  readonly value: string;
  readonly onClear: () => void;
}) {
  return (
    <button
      type="button"
      class="badge info"
      onClick={onClear}
      aria-label={`Show all ${what}s, not only ${value}`}
    >
      {`${what} ${value} `}
      <span aria-hidden="true">✕</span>
    </button>
  );
}

interface ChartsProps {
  readonly charted: ReturnType<typeof chart>;
  readonly points: readonly UsagePoint[];
  readonly range: Range;
}

function Charts({ charted, points, range }: ChartsProps) {
  const { times, calls, latency, cold, errors } = charted;
  const count = (value: number) => value.toLocaleString("en");
  const sum = (lines: readonly Line[]) => lines.reduce((all, line) => all + total(line), 0);
  const common = { times, rangeMs: range.ms };
  if (points.length === 0) return <p class="soft">No calls in this span of time.</p>;
  const worst = Math.max(0, ...latency.flatMap(({ values }) => values.map((value) => value ?? 0)));
  return (
    <div class="charts">
      <Chart
        {...common}
        title="Calls"
        lines={calls}
        kind="bars"
        whole
        format={count}
        summary={`${count(sum(calls))} calls, ${count(sum(errors))} of them failed.`}
      />
      <Chart
        {...common}
        title="Latency"
        lines={latency}
        kind="lines"
        format={formatMs}
        summary={`The highest 99th percentile is ${formatMs(worst)}.`}
      />
      {errors.length > 0 && (
        <Chart
          {...common}
          title="Errors by code"
          lines={errors}
          kind="bars"
          whole
          format={count}
          summary={errors.map((line) => `${line.name}: ${count(total(line))}`).join(", ")}
        />
      )}
      <Chart
        {...common}
        title="Cold starts"
        lines={cold}
        kind="bars"
        whole
        format={count}
        summary={coldSummary(sum(cold), points)}
      />
    </div>
  );
}

/** Number of cold starts, and what each stage took in the mean. */
function coldSummary(starts: number, points: readonly UsagePoint[]): string {
  if (starts === 0) return "No cold starts.";
  const means = stages.flatMap(({ name, span }) => {
    let [sum, weight] = [0, 0];
    for (const { coldStarts, coldStagesMs } of points) {
      const ms = coldStagesMs[name] ?? coldStagesMs[span];
      if (ms === undefined) continue;
      sum += ms * Number(coldStarts);
      weight += Number(coldStarts);
    }
    return weight === 0 ? [] : [`${name} ${formatMs(sum / weight)}`];
  });
  return `${starts} cold ${starts === 1 ? "start" : "starts"}${means.length === 0 ? "" : `; in the mean: ${means.join(", ")}`}.`;
}
