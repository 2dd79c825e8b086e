import { useState } from "preact/hooks";
import { ListSubtasksRequest, type Task } from "../../gen/rouse/orders/v1/tasks.ts";
import { tasks } from "../clients/tasks.ts";
import { plural } from "../format.ts";
import { useLoad } from "../load.ts";
import { Link } from "../router.tsx";
import { useEvery } from "../work/use-every.ts";
import { WorkBadge } from "../work/WorkBadge.tsx";
import { WorkError } from "../work/WorkError.tsx";
import { isOver, taskWord } from "./task-state.ts";
import "./tasks.css";

/** Subtasks that are drawn at first, and more each time. */
const PAGE = 100;
const AGAIN_MS = 2_000;

interface Props {
  readonly id: string;
  /** Changes when the subtasks are to be read again. */
  readonly revision: bigint;
}

/** The subtasks of a task, each with its own when it is opened. */
export function TaskTree({ id, revision }: Props) {
  const { value, error, reload } = useLoad(`subtasks ${id} ${revision}`, async (signal) => {
    const found: Task[] = [];
    const request = ListSubtasksRequest.create({ id, brief: true });
    for await (const task of tasks.listSubtasks(request, { signal })) found.push(task);
    return found;
  });
  const [shown, setShown] = useState(PAGE);
  useEvery(AGAIN_MS, value?.some((task) => !isOver(task.state)) ?? false, reload);
  if (error !== undefined) return <WorkError error={error} what="the subtasks" />;
  if (value === undefined) return <p class="loading">Loading …</p>;
  if (value.length === 0) return <p class="soft">It has no subtasks.</p>;
  const over = value.filter((task) => isOver(task.state)).length;
  return (
    <>
      <p class="soft">{`${over} of ${plural(value.length, "subtask")} done`}</p>
      <ul class="task-tree">
        {value.slice(0, shown).map((task) => (
          <Branch key={task.id} task={task} />
        ))}
      </ul>
      {value.length > shown && (
        <button type="button" onClick={() => setShown(shown + PAGE)}>
          {`Show ${Math.min(PAGE, value.length - shown)} more`}
        </button>
      )}
    </>
  );
}

function Branch({ task }: { readonly task: Task }) {
  const [open, setOpen] = useState(false);
  // A task in its first turn has had none yet.
  const mayHaveSubtasks = task.turn > 1 || task.pending > 0;
  return (
    <li>
      <span class="row">
        {mayHaveSubtasks && (
          <button
            type="button"
            class="plain"
            aria-expanded={open}
            aria-label={`Subtasks of ${task.id.slice(0, 8)}`}
            onClick={() => setOpen(!open)}
          >
            {open ? "▾" : "▸"}
          </button>
        )}
        <Link class="mono" href={`/tasks/${task.id}`}>
          {task.id.slice(0, 8)}
        </Link>
        <WorkBadge state={taskWord(task.state)} note={task.error?.message ?? ""} />
        <span class="soft">
          {task.queue}
          {task.worker !== "" && ` · ${task.worker}`}
          {task.progress !== undefined && ` · ${Math.round(task.progress.fraction * 100)} %`}
        </span>
      </span>
      {open && <TaskTree id={task.id} revision={task.revision} />}
    </li>
  );
}
