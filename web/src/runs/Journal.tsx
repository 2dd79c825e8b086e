import { useState } from "preact/hooks";
import type { Operation } from "../../gen/rouse/orders/v1/operations.ts";
import { RetryRunRequest, type Run } from "../../gen/rouse/orders/v1/runs.ts";
import { RouseError, wantsKey, withKey } from "../api.ts";
import { runs } from "../clients/runs.ts";
import { KeyField } from "../components/KeyField.tsx";
import { ErrorNote, Note } from "../components/Note.tsx";
import { duration } from "../format.ts";
import { Link } from "../router.tsx";
import { Value } from "../work/Value.tsx";
import { AnswerForm } from "./AnswerForm.tsx";
import { isOver } from "./run-state.ts";
import { type TimelineRow, timeline } from "./timeline.ts";
import "./runs.css";

interface Props {
  readonly run: Run;
  readonly operation: Operation;
  readonly reload: () => void;
}

/** Entries that are drawn at first, and more each time. */
const PAGE = 200;

/** The journal of a run, one line for each entry, over the run's time. */
export function Journal({ run, operation, reload }: Props) {
  const [shown, setShown] = useState(PAGE);
  const [error, setError] = useState<RouseError>();
  const over = isOver(run.state);
  const end = operation.endedAtMs > 0n ? Number(operation.endedAtMs) : Date.now();
  const start = Number(operation.startedAtMs || operation.createdAtMs);
  const rows = timeline(run.journal, start, end);
  const retry = async (from: number) => {
    setError(undefined);
    try {
      await runs.retryRun(RetryRunRequest.create({ id: operation.id, from }), withKey());
      reload();
    } catch (thrown) {
      setError(RouseError.from(thrown));
    }
  };
  return (
    <section class="panel stack" aria-label="Journal">
      <div class="row spread">
        <h2>Journal</h2>
        {over && (
          <button type="button" onClick={() => void retry(0)}>
            Run all of it again
          </button>
        )}
      </div>
      {error !== undefined && <ErrorNote error={error} what="running it again" />}
      {wantsKey(error) && <KeyField />}
      {rows.length === 0 && <Note>Nothing is recorded yet.</Note>}
      <ol class="journal">
        {rows.slice(0, shown).map((row) => (
          <Line
            key={row.index}
            row={row}
            startMs={start}
            run={operation.id}
            retry={over ? () => void retry(row.index) : undefined}
            reload={reload}
          />
        ))}
      </ol>
      {rows.length > shown && (
        <button type="button" onClick={() => setShown(shown + PAGE)}>
          {`Show ${Math.min(PAGE, rows.length - shown)} more`}
        </button>
      )}
    </section>
  );
}

interface LineProps {
  readonly row: TimelineRow;
  readonly startMs: number;
  readonly run: string;
  readonly retry: (() => void) | undefined;
  readonly reload: () => void;
}

function Line({ row, startMs, run, retry, reload }: LineProps) {
  const { index, kind, name, state, fromMs, toMs, left, width, journal } = row;
  const { entry, operation, valueBytes } = journal;
  const value = entry?.value ?? new Uint8Array();
  return (
    <li class={state}>
      <span class="index soft">{index}</span>
      <span class="what">
        <b>{kind}</b> {name}
        {operation !== "" && (
          <>
            {" "}
            <Link class="mono" href={`/operations/${operation}`}>
              {operation.slice(0, 8)}
            </Link>
          </>
        )}
      </span>
      <span class="track" aria-hidden="true">
        <span
          class={`bar ${state} ${kind}`}
          style={{ marginLeft: `${100 * left}%`, width: `${100 * width}%` }}
        />
      </span>
      <span class="time soft">
        {`+${duration(Math.max(0, fromMs - startMs))} · `}
        {state === "waiting" ? "waits" : duration(toMs - fromMs)}
        {state === "failed" && " · failed"}
      </span>
      <span class="more">
        {entry?.error !== undefined && (
          <Note kind="error">
            {entry.error.message} <code class="reason">{entry.error.reason}</code>
          </Note>
        )}
        {state === "done" && value.length > 0 && (
          <Value
            title={Number(valueBytes) > value.length ? "Beginning of its value" : "Value"}
            bytes={value}
            open={false}
          />
        )}
        {state === "waiting" && kind === "answer" && <AnswerForm run={run} name={name} onGiven={reload} />}
        {retry !== undefined && (
          <button
            type="button"
            class="plain"
            onClick={retry}
            aria-label={`Run again from here: ${index}, ${kind} ${name}`}
          >
            Run again from here
          </button>
        )}
      </span>
    </li>
  );
}
