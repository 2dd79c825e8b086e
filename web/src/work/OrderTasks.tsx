import type { OrderTask } from "../../gen/rouse/orders/v1/orders.ts";
import { ArtifactLink } from "../artifacts/ArtifactLink.tsx";
import { duration } from "../format.ts";
import { Link, withQuery } from "../router.tsx";
import { ranFor } from "./operation-state.ts";
import { taskWord } from "./order-state.ts";
import { WorkBadge } from "./WorkBadge.tsx";

/** The tasks of a workflow as a table, with what they have put out. */
export function OrderTasks({ tasks }: { readonly tasks: readonly OrderTask[] }) {
  return (
    <section class="stack" aria-label="Tasks">
      <h2>Tasks</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys. */}
      <div class="panel scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th>Task</th>
              <th>State</th>
              <th>Does</th>
              <th>Artifacts</th>
              <th>Host</th>
              <th class="number">Attempts</th>
              <th class="number">Took</th>
            </tr>
          </thead>
          <tbody>
            {tasks.map((task) => (
              <tr key={task.name}>
                <td>
                  <Link href={withQuery({ task: task.name })}>{task.name}</Link>
                </td>
                <td>
                  <WorkBadge state={taskWord(task.state)} note={task.error?.message ?? task.waitsFor} />
                </td>
                <td>{`${task.service.split(".").at(-1)}/${task.method}`}</td>
                <td>
                  <span class="row">
                    {task.outputs.map(({ name, uri }) => (
                      <ArtifactLink key={name} uri={uri} name={name} />
                    ))}
                  </span>
                </td>
                <td>{task.host}</td>
                <td class="number">{task.attempts}</td>
                <td class="number">{tookText(task)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function tookText(task: OrderTask): string {
  const ms = ranFor(task);
  return ms === undefined ? "" : duration(ms);
}
