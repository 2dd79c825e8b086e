import { formatMs } from "../trace/spans.ts";
import type { UsagePoint } from "./series.ts";

interface Props {
  readonly title: string;
  readonly rows: readonly { readonly name: string; readonly points: readonly UsagePoint[] }[];
  readonly chosen: string;
  /** "" : all. */
  readonly onChoose: (name: string) => void;
}

/** Usage by method or caller; a click shows the charts of one alone. */
export function Breakdown({ title, rows, chosen, onChoose }: Props) {
  const sorted = rows
    .flatMap(({ name, points: [point] }) => (point === undefined ? [] : [{ name, point }]))
    .sort((a, b) => Number(b.point.calls - a.point.calls));
  // A wake belongs to no single call, so the mesh may not tell whose it was.
  const cold = sorted.some(({ point }) => point.coldStarts > 0n);
  const most = Number(sorted[0]?.point.calls ?? 1n);
  if (sorted.length === 0) return null;
  return (
    <div class="scroll">
      <table class="breakdown">
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">{title.slice(0, -1)}</th>
            <th scope="col" class="number">
              Calls
            </th>
            <th scope="col">Errors</th>
            <th scope="col" class="number">
              p50
            </th>
            <th scope="col" class="number">
              p90
            </th>
            <th scope="col" class="number">
              p99
            </th>
            {cold && (
              <th scope="col" class="number">
                Cold starts
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {sorted.map(({ name, point }) => (
            <tr key={name}>
              <th scope="row">
                <button
                  type="button"
                  class="plain"
                  aria-pressed={name === chosen}
                  onClick={() => onChoose(name === chosen ? "" : name)}
                >
                  {name === "" ? "unknown" : name}
                </button>
              </th>
              <td class="number">
                {Number(point.calls).toLocaleString("en")}
                <span class="breakdown-bar" aria-hidden="true">
                  <span style={{ width: `${(100 * Number(point.calls)) / most}%` }} />
                </span>
              </td>
              <td>
                {Object.entries(point.errors)
                  .map(([code, count]) => `${code} ${Number(count).toLocaleString("en")}`)
                  .join(", ") || "–"}
              </td>
              <td class="number">{formatMs(point.p50Ms)}</td>
              <td class="number">{formatMs(point.p90Ms)}</td>
              <td class="number">{formatMs(point.p99Ms)}</td>
              {cold && <td class="number">{Number(point.coldStarts).toLocaleString("en")}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
