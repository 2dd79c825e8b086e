import { type Change, Change_Kind, CompareVersionsRequest } from "../../gen/rouse/catalog/v1/catalog.ts";
import { catalog } from "../api.ts";
import { ErrorNote } from "../components/Note.tsx";
import { type DiffRow, diffRows } from "../diff.ts";
import { plural } from "../format.ts";
import { useLoad } from "../load.ts";
import "./comparison.css";

interface Props {
  readonly service: string;
  readonly from: string;
  readonly to: string;
}

/** What differs between two contracts: a list, and both texts side by side. */
export function Comparison({ service, from, to }: Props) {
  const { value, error } = useLoad(`${service} ${from} ${to}`, (signal) =>
    catalog.compareVersions(CompareVersionsRequest.create({ service, from, to }), { signal }),
  );
  if (error !== undefined) return <ErrorNote error={error} what="the comparison" />;
  if (value === undefined) return <p class="loading">Loading …</p>;
  return (
    <>
      {value.changes.length === 0 ? (
        <p class="soft">The contracts say the same.</p>
      ) : (
        <ul class="changes">
          {value.changes.map((change) => (
            <ChangeLine key={`${change.kind} ${change.subject}`} change={change} />
          ))}
        </ul>
      )}
      <SideBySide from={from} to={to} rows={diffRows(value.fromText, value.toText)} />
    </>
  );
}

const kinds: Readonly<Record<number, readonly [string, string]>> = {
  [Change_Kind.KIND_ADDED]: ["added", "good"],
  [Change_Kind.KIND_REMOVED]: ["removed", "bad"],
  [Change_Kind.KIND_CHANGED]: ["changed", "info"],
};

function ChangeLine({ change }: { readonly change: Change }) {
  const [word, tone] = kinds[change.kind] ?? ["differs", ""];
  return (
    <li>
      <span class={`badge ${tone}`}>{word}</span> {change.subject}
      {/* A message that is new has nothing to say beyond its name. */}
      {(change.from || change.to) !== change.subject && (change.from !== "" || change.to !== "") && (
        <span class="soft">
          {": "}
          {change.from !== "" && <code>{change.from}</code>}
          {change.from !== "" && change.to !== "" && " → "}
          {change.to !== "" && <code>{change.to}</code>}
        </span>
      )}{" "}
      {change.breaking && <span class="badge bad">breaks callers</span>}
    </li>
  );
}

/** Unchanged lines around a change that are shown. */
const CONTEXT = 4;

function SideBySide({
  from,
  to,
  rows,
}: {
  readonly from: string;
  readonly to: string;
  readonly rows: readonly DiffRow[];
}) {
  const near = new Set<number>();
  rows.forEach((row, index) => {
    if (row.kind === "same") return;
    for (let at = index - CONTEXT; at <= index + CONTEXT; at++) near.add(at);
  });
  if (near.size === 0) return null;
  let skipped = 0;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <div class="scroll" tabIndex={0}>
      <table class="diff">
        <colgroup>
          <col class="lines" />
          <col />
          <col class="lines" />
          <col />
        </colgroup>
        <thead>
          <tr>
            <th colSpan={2}>{from}</th>
            <th colSpan={2}>{to}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => {
            if (!near.has(index)) {
              skipped += 1;
              return null;
            }
            const gap = skipped;
            skipped = 0;
            return [
              gap > 0 && (
                <tr key={`gap ${index}`} class="gap">
                  <td colSpan={4}>{plural(gap, "line")} alike</td>
                </tr>
              ),
              <tr key={index} class={row.kind}>
                <td class="number">{row.left?.line}</td>
                <td class={row.kind === "same" ? "" : row.left === undefined ? "none" : "old"}>
                  {row.left?.text}
                </td>
                <td class="number">{row.right?.line}</td>
                <td class={row.kind === "same" ? "" : row.right === undefined ? "none" : "new"}>
                  {row.right?.text}
                </td>
              </tr>,
            ];
          })}
        </tbody>
      </table>
    </div>
  );
}
