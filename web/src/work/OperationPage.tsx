import { useState } from "preact/hooks";
import { type Operation, OperationState } from "../../gen/rouse/orders/v1/operations.ts";
import { withKey } from "../api.ts";
import { operations } from "../clients/operations.ts";
import { Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { duration, plural } from "../format.ts";
import { lazy } from "../lazy.tsx";
import { Link, servicePath } from "../router.tsx";
import { useStream } from "../stream.ts";
import { useTitle } from "../title.ts";
import { CancelWork } from "./CancelWork.tsx";
import { isOver, operationWord, ranFor } from "./operation-state.ts";
import { Progress } from "./Progress.tsx";
import { WorkBadge } from "./WorkBadge.tsx";
import { WorkError } from "./WorkError.tsx";
import { WorkTabs } from "./WorkTabs.tsx";

const MessageView = lazy(() => import("./MessageView.tsx").then((module) => module.MessageView));

/** One async call, as it changes: its progress, then its result or error. */
export function OperationPage({ id }: { readonly id: string }) {
  useTitle(`Async call ${id.slice(0, 8)}`);
  const [operation, setOperation] = useState<Operation>();
  const stream = useStream(id, {
    endless: false,
    open: (signal) => operations.watchOperation({ id }, { signal, deadlineMs: 0 }),
    onMessage: setOperation,
  });
  return (
    <div class="stack">
      <WorkTabs here="operations" />
      <div class="row">
        <h1>
          Async call <span class="mono">{id.slice(0, 8)}</span>
        </h1>
        {operation !== undefined && <WorkBadge state={operationWord(operation.state)} />}
      </div>
      {stream.status === "ended" && stream.error !== undefined && (
        <WorkError error={stream.error} what="the async call" />
      )}
      {operation === undefined && stream.status !== "ended" && <p class="loading">Loading …</p>}
      {operation !== undefined && <Found operation={operation} />}
    </div>
  );
}

function Found({ operation }: { readonly operation: Operation }) {
  const { service, version, method, state, progress, error, response } = operation;
  return (
    <>
      {progress !== undefined && !isOver(operation) && <Progress {...progress} />}
      {error !== undefined && (
        <Note kind={state === OperationState.OPERATION_STATE_CANCELLED ? "warning" : "error"}>
          {error.message} <code class="reason">{error.reason}</code>
        </Note>
      )}
      <Facts operation={operation} />
      {!isOver(operation) && (
        <CancelWork
          what="call"
          cancel={(reason) => operations.cancelOperation({ id: operation.id, reason }, withKey())}
        />
      )}
      {state === OperationState.OPERATION_STATE_SUCCEEDED && (
        <section class="panel" aria-label="Result">
          <h2>Result</h2>
          <MessageView
            service={service}
            version={version}
            method={method}
            part="response"
            bytes={response}
            name={`${method}-${operation.id.slice(0, 8)}`}
          />
        </section>
      )}
    </>
  );
}

function Facts({ operation }: { readonly operation: Operation }) {
  const { id, service, version, method, createdAtMs, endedAtMs, expiresAtMs, attempts, caller, asker } =
    operation;
  const ran = ranFor(operation);
  return (
    <dl class="facts panel">
      <dt>Method</dt>
      <dd>
        <Link href={servicePath(service, "contract", { version })}>{service}</Link>/{method}, version{" "}
        {version}
      </dd>
      <dt>Asked for</dt>
      <dd>
        <Time ms={createdAtMs} /> by {caller || asker || "somebody outside the mesh"}
      </dd>
      {ran !== undefined && (
        <>
          <dt>{isOver(operation) ? "Ran for" : "Runs for"}</dt>
          <dd>
            {duration(ran)}
            {attempts > 1 && <span class="soft">{`, made ${plural(attempts, "time")}`}</span>}
          </dd>
        </>
      )}
      {endedAtMs > 0n && (
        <>
          <dt>Forgotten</dt>
          <dd>
            <Time ms={expiresAtMs} />
          </dd>
        </>
      )}
      <dt>Id</dt>
      <dd class="mono">{id}</dd>
    </dl>
  );
}
