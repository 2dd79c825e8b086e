import { useState } from "preact/hooks";
import { ListTaskChangesRequest, type Task, TaskState } from "../../gen/rouse/orders/v1/tasks.ts";
import { withKey } from "../api.ts";
import { tasks } from "../clients/tasks.ts";
import { Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { bytes } from "../format.ts";
import { useLoad } from "../load.ts";
import { Link } from "../router.tsx";
import { useStream } from "../stream.ts";
import { useTitle } from "../title.ts";
import { CancelWork } from "../work/CancelWork.tsx";
import { Progress } from "../work/Progress.tsx";
import { Value } from "../work/Value.tsx";
import { WorkBadge } from "../work/WorkBadge.tsx";
import { WorkError } from "../work/WorkError.tsx";
import { WorkTabs } from "../work/WorkTabs.tsx";
import { TaskTree } from "./TaskTree.tsx";
import { isOver, taskWord } from "./task-state.ts";

/** One task as it changes: its subtasks, what became of it, its result or error. */
export function TaskPage({ id }: { readonly id: string }) {
  useTitle(`Task ${id.slice(0, 8)}`);
  const [task, setTask] = useState<Task>();
  const stream = useStream(id, {
    endless: false,
    open: (signal) => tasks.watchTask({ id, endOnly: false }, { signal, deadlineMs: 0 }),
    onMessage: setTask,
  });
  return (
    <div class="stack">
      <WorkTabs here="tasks" />
      <div class="row">
        <h1>
          Task <span class="mono">{id.slice(0, 8)}</span>
        </h1>
        {task !== undefined && <WorkBadge state={taskWord(task.state)} />}
      </div>
      {stream.status === "ended" && stream.error !== undefined && (
        <WorkError error={stream.error} what="the task" />
      )}
      {task === undefined && stream.status !== "ended" && <p class="loading">Loading …</p>}
      {task !== undefined && <Found task={task} />}
    </div>
  );
}

function Found({ task }: { readonly task: Task }) {
  const { id, state, revision, progress, error, payload, result } = task;
  const over = isOver(state);
  return (
    <>
      {progress !== undefined && !over && <Progress {...progress} />}
      {error !== undefined && (
        <Note kind={state === TaskState.TASK_STATE_FAILED ? "error" : "warning"}>
          {error.message} <code class="reason">{error.reason}</code>
        </Note>
      )}
      <Facts task={task} />
      {!over && (
        <CancelWork
          what="task"
          cancel={(reason) => tasks.cancelTask({ id, reason, revision: 0n }, withKey())}
        />
      )}
      <section class="panel stack" aria-label="Subtasks">
        <h2>Subtasks</h2>
        <TaskTree id={id} revision={revision} />
      </section>
      {payload.length > 0 && <Value title="Payload" bytes={payload} open={false} />}
      {result.length > 0 && <Value title="Result" bytes={result} open />}
      <Changes id={id} revision={revision} />
    </>
  );
}

function Facts({ task }: { readonly task: Task }) {
  const { id, queue, priority, worker, assignment, losses, failures, caller, parent } = task;
  return (
    <dl class="facts panel">
      <dt>Queue</dt>
      <dd>
        {queue}
        {priority !== 0 && `, priority ${priority}`}
      </dd>
      <dt>Given</dt>
      <dd>
        <Time ms={task.createdAtMs} /> by {caller || "somebody outside the mesh"}
      </dd>
      {parent !== "" && (
        <>
          <dt>Part of</dt>
          <dd>
            <Link class="mono" href={`/tasks/${parent}`}>
              {parent.slice(0, 8)}
            </Link>
          </dd>
        </>
      )}
      {worker !== "" && (
        <>
          <dt>Worker</dt>
          <dd>
            {worker}
            {assignment > 1 && `, given out ${assignment} times`}
            {losses > 0 && `, ${losses} lost with it`}
            {failures > 0 && `, ${failures} failed`}
          </dd>
        </>
      )}
      {task.wakeAtMs > 0n && (
        <>
          <dt>Wakes</dt>
          <dd>
            <Time ms={task.wakeAtMs} />
          </dd>
        </>
      )}
      {task.endedAtMs > 0n && (
        <>
          <dt>Ended</dt>
          <dd>
            <Time ms={task.endedAtMs} />
            {task.collectedBy !== "" && `, collected by ${task.collectedBy}`}
            {task.result.length > 0 && `, result of ${bytes(task.result.length)}`}
          </dd>
        </>
      )}
      <dt>Id</dt>
      <dd class="mono">{id}</dd>
    </dl>
  );
}

function Changes({ id, revision }: { readonly id: string; readonly revision: bigint }) {
  const { value, error } = useLoad(`changes ${id} ${revision}`, (signal) =>
    tasks.listTaskChanges(ListTaskChangesRequest.create({ id }), { signal }),
  );
  return (
    <section class="stack" aria-label="Changes">
      <h2>Changes</h2>
      {error !== undefined && <WorkError error={error} what="the changes" />}
      {value !== undefined && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
        <div class="panel scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th class="number">Revision</th>
                <th>When</th>
                <th>What</th>
                <th>State then</th>
                <th>By</th>
                <th>Note</th>
              </tr>
            </thead>
            <tbody>
              {value.changes.map((change) => (
                <tr key={change.revision}>
                  <td class="number">{String(change.revision)}</td>
                  <td>
                    <Time ms={change.atMs} />
                  </td>
                  <td>{change.kind}</td>
                  <td>{taskWord(change.state)}</td>
                  <td>{change.by}</td>
                  <td>{change.note}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
