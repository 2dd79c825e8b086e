import { ListTasksRequest, type Task, type TaskWorker } from "../../gen/rouse/orders/v1/tasks.ts";
import { tasks } from "../clients/tasks.ts";
import { Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { useLoad } from "../load.ts";
import { Link } from "../router.tsx";
import { useTitle } from "../title.ts";
import { useEvery } from "../work/use-every.ts";
import { WorkBadge } from "../work/WorkBadge.tsx";
import { WorkError } from "../work/WorkError.tsx";
import { WorkFilters } from "../work/WorkFilters.tsx";
import { WorkTabs } from "../work/WorkTabs.tsx";
import { isOver, taskStates, taskWord } from "./task-state.ts";

/** How often the list is read again while something of it is under way, ms. */
const AGAIN_MS = 2_000;
const MOST = 200;

/** The latest tasks that are nobody's subtask, and the workers. */
export function TasksPage({ query }: { readonly query: URLSearchParams }) {
  useTitle("Tasks");
  const queue = query.get("queue") ?? "";
  const state = query.get("state") ?? "";
  const { value, error, reload } = useLoad(`tasks ${queue} ${state}`, async (signal) => {
    const wanted = state === "" ? {} : { state: taskStates.get(state) ?? 0 };
    const [listed, { workers }] = await Promise.all([
      tasks.listTasks(ListTasksRequest.create({ queue, roots: true, limit: MOST, ...wanted }), { signal }),
      tasks.listWorkers({ queue }, { signal }),
    ]);
    return { tasks: listed.tasks, workers };
  });
  useEvery(AGAIN_MS, value?.tasks.some((task) => !isOver(task.state)) ?? false, reload);
  return (
    <div class="stack">
      <h1>Work</h1>
      <WorkTabs here="tasks" />
      <WorkFilters
        text={{ name: "queue", label: "Queue", value: queue }}
        state={state}
        states={[...taskStates.keys()]}
        reload={reload}
      />
      {error !== undefined && <WorkError error={error} what="the tasks" />}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value?.tasks.length === 0 && (
        <Note>
          There is no task{queue !== "" || state !== "" ? " like that" : " yet"}.{" "}
          <code>rouse tasks submit QUEUE</code> gives one.
        </Note>
      )}
      {value !== undefined && value.tasks.length > 0 && <TaskTable tasks={value.tasks} />}
      {value?.tasks.length === MOST && <p class="soft">{`These are the latest ${MOST}.`}</p>}
      {value !== undefined && value.workers.length > 0 && <Workers workers={value.workers} />}
    </div>
  );
}

function TaskTable({ tasks }: { readonly tasks: readonly Task[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <div class="panel scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Task</th>
            <th>State</th>
            <th>Queue</th>
            <th class="number">Priority</th>
            <th>Worker</th>
            <th class="number">Open subtasks</th>
            <th>Given</th>
            <th>Changed</th>
          </tr>
        </thead>
        <tbody>
          {tasks.map((task) => (
            <tr key={task.id}>
              <td class="mono">
                <Link href={`/tasks/${task.id}`}>{task.id.slice(0, 8)}</Link>
              </td>
              <td>
                <WorkBadge state={taskWord(task.state)} note={task.error?.message ?? ""} />
              </td>
              <td>{task.queue}</td>
              <td class="number">{task.priority}</td>
              <td>{task.worker}</td>
              <td class="number">{task.pending > 0 ? task.pending : ""}</td>
              <td>
                <Time ms={task.createdAtMs} />
              </td>
              <td>
                <Time ms={task.changedAtMs} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Workers({ workers }: { readonly workers: readonly TaskWorker[] }) {
  return (
    <section class="stack" aria-label="Workers">
      <h2>Workers</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys. */}
      <div class="panel scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th>Worker</th>
              <th>Queue</th>
              <th class="number">Has</th>
              <th class="number">Room for</th>
              <th>Lease ends</th>
            </tr>
          </thead>
          <tbody>
            {workers.map((worker) => (
              <tr key={worker.id}>
                <td title={worker.id}>{worker.name || worker.id}</td>
                <td>{worker.queue}</td>
                <td class="number">{worker.held}</td>
                <td class="number">{worker.room}</td>
                <td>
                  <Time ms={worker.leaseUntilMs} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
