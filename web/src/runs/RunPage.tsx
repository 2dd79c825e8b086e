import { type Operation, OperationState } from "../../gen/rouse/orders/v1/operations.ts";
import { type Run, RunState } from "../../gen/rouse/orders/v1/runs.ts";
import { withKey } from "../api.ts";
import { runs } from "../clients/runs.ts";
import { Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { bytes, duration, plural } from "../format.ts";
import { useLoad } from "../load.ts";
import { Link, servicePath } from "../router.tsx";
import { useTitle } from "../title.ts";
import { CancelWork } from "../work/CancelWork.tsx";
import { MessageView } from "../work/MessageView.tsx";
import { ranFor } from "../work/operation-state.ts";
import { useEvery } from "../work/use-every.ts";
import { WorkBadge } from "../work/WorkBadge.tsx";
import { WorkError } from "../work/WorkError.tsx";
import { WorkTabs } from "../work/WorkTabs.tsx";
import { Journal } from "./Journal.tsx";
import { isOver, runWord } from "./run-state.ts";

/** How often it is read again while it has not ended, ms. */
const AGAIN_MS = 1_000;

/** One durable run as it goes on: its journal as a timeline, its result or error. */
export function RunPage({ id }: { readonly id: string }) {
  useTitle(`Durable run ${id.slice(0, 8)}`);
  const { value, error, reload } = useLoad(`run ${id}`, (signal) => runs.getRun({ id }, { signal }));
  useEvery(AGAIN_MS, value !== undefined && !isOver(value.state), reload);
  return (
    <div class="stack">
      <WorkTabs here="runs" />
      <div class="row">
        <h1>
          Durable run <span class="mono">{id.slice(0, 8)}</span>
        </h1>
        {value !== undefined && <WorkBadge state={runWord(value.state)} />}
      </div>
      {error !== undefined && <WorkError error={error} what="the durable run" />}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value?.operation !== undefined && <Found run={value} operation={value.operation} reload={reload} />}
    </div>
  );
}

interface FoundProps {
  readonly run: Run;
  readonly operation: Operation;
  readonly reload: () => void;
}

function Found({ run, operation, reload }: FoundProps) {
  const { id, error, service, version, method, response } = operation;
  const over = isOver(run.state);
  return (
    <>
      {error !== undefined && (
        <Note kind={run.state === RunState.RUN_STATE_CANCELLED ? "warning" : "error"}>
          {error.message} <code class="reason">{error.reason}</code>
        </Note>
      )}
      {run.trouble !== "" && !over && <Note kind="warning">{run.trouble}</Note>}
      <Facts run={run} operation={operation} />
      {!over && (
        <CancelWork
          what="run"
          cancel={async (reason) => {
            await runs.cancelRun({ id, reason }, withKey());
            reload();
          }}
        />
      )}
      <Journal run={run} operation={operation} reload={reload} />
      {operation.state === OperationState.OPERATION_STATE_SUCCEEDED && (
        <section class="panel" aria-label="Result">
          <h2>Result</h2>
          <MessageView
            service={service}
            version={version}
            method={method}
            part="response"
            bytes={response}
            name={`${method}-${id.slice(0, 8)}`}
          />
        </section>
      )}
    </>
  );
}

function Facts({ run, operation }: Omit<FoundProps, "reload">) {
  const { id, service, version, method, createdAtMs, expiresAtMs, caller, asker } = operation;
  const ran = ranFor(operation);
  return (
    <dl class="facts panel">
      <dt>Method</dt>
      <dd>
        <Link href={servicePath(service, "contract", { version })}>{service}</Link>/{method}, version{" "}
        {version}
        {run.key !== "" && `, key ${run.key}`}
      </dd>
      <dt>Asked for</dt>
      <dd>
        <Time ms={createdAtMs} /> by {caller || asker || "somebody outside the mesh"}
        {run.parent !== "" && (
          <>
            , as a part of{" "}
            <Link class="mono" href={`/runs/${run.parent}`}>
              {run.parent.slice(0, 8)}
            </Link>
          </>
        )}
      </dd>
      {ran !== undefined && (
        <>
          <dt>{isOver(run.state) ? "Took" : "Takes"}</dt>
          <dd>
            {duration(ran)}
            {run.retries > 0 && `, retried ${plural(run.retries, "time")}`}
          </dd>
        </>
      )}
      {run.state === RunState.RUN_STATE_SLEEPING && (
        <>
          <dt>Wakes</dt>
          <dd>{run.wakesAtMs > 0n ? <Time ms={run.wakesAtMs} /> : "when its answer is there"}</dd>
        </>
      )}
      <dt>Journal</dt>
      <dd>
        {plural(run.entries, "entry", "entries")}, {bytes(run.bytes)}
        {expiresAtMs > 0n && (
          <>
            , forgotten <Time ms={expiresAtMs} />
          </>
        )}
      </dd>
      <dt>Id</dt>
      <dd class="mono">{id}</dd>
    </dl>
  );
}
