import type { Metadata } from "@grpc/grpc-js";
import {
  type ListSubtasksRequest,
  type Task,
  TaskState,
  type TasksServer,
  type WatchTaskRequest,
} from "#proto/rouse/orders/v1/tasks.ts";
import { EDGE_HEADER } from "../../mesh-config/resources/registry-routes.ts";
import { answer, statusObject } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import { CALLER_HEADER } from "../../sdk/usage/caller.ts";
import { streamAnswers } from "../follow.ts";
import type { Rights } from "../rights.ts";
import type { TaskNews } from "./news.ts";
import { changeToApi, stateName, type TaskRow, toApi } from "./record.ts";
import { invalid, taskOrder } from "./settings.ts";
import type { TaskStore } from "./store.ts";
import { cleanText } from "./text.ts";
import { type WorkCall, type WorkDeps, WorkStream } from "./work-stream.ts";

export interface TasksDeps extends WorkDeps {
  readonly tasks: TaskStore;
  readonly news: TaskNews;
}

const LIMIT = { default: 50, most: 500 } as const;
const LONGEST_KEY = 200;
const LONGEST_REASON = 500;
/** Subtasks that are read at a time; each may have 8 MiB. */
const PAGE = 16;
const BRIEF_PAGE = 500;

/** The service rouse.orders.v1.Tasks. @param opened the database may have to be started first. */
export function tasksService(opened: () => Promise<TasksDeps>, rights: Rights): TasksServer {
  return {
    submitTask: answer(async ({ task, idempotencyKey }, metadata) => {
      keepInside(metadata);
      const order = taskOrder(task);
      if (idempotencyKey.length > LONGEST_KEY)
        throw invalid(`its idempotency key has more than ${LONGEST_KEY} characters`);
      const { tasks } = await opened();
      const [caller] = metadata.get(CALLER_HEADER);
      const by = typeof caller === "string" ? cleanText(caller).slice(0, 300) : "";
      return toApi(await tasks.submit(order, cleanText(idempotencyKey), by));
    }),
    getTask: answer(async ({ id }) => toApi(await (await opened()).tasks.get(id))),
    watchTask: (call) => void streamAnswers(call, (signal) => watch(call.request, opened, signal)),
    listTasks: answer(async ({ queue, state, roots, limit }, metadata) => {
      const scope = await rights.scope(metadata);
      const { tasks } = await opened();
      const wanted = state === TaskState.UNSPECIFIED ? undefined : stateName(state);
      const most = Math.min(limit || LIMIT.default, LIMIT.most);
      const rows = await tasks.list({ queue: cleanText(queue), state: wanted, roots, limit: most, scope });
      return { tasks: rows.map(toApi) };
    }),
    listSubtasks: (call) => void streamAnswers(call, () => subtasks(call.request, opened)),
    listTaskChanges: answer(async ({ id, after }) => {
      const { tasks } = await opened();
      await tasks.get(id);
      return { changes: (await tasks.changes(id, after)).map(changeToApi) };
    }),
    collectTask: answer(async ({ id, collector }, metadata) => {
      keepInside(metadata);
      const by = cleanText(collector);
      if (by.length < 1 || by.length > 200 || by.startsWith("task:"))
        throw invalid('its collector has 1 to 200 characters, and does not begin with "task:"');
      return toApi(await (await opened()).tasks.collect(id, by));
    }),
    cancelTask: answer(async ({ id, reason, revision }) => {
      const { tasks } = await opened();
      return toApi(await tasks.cancel(id, cleanText(reason).slice(0, LONGEST_REASON), revision));
    }),
    wakeTask: answer(async ({ id, revision }, metadata) => {
      keepInside(metadata);
      return toApi(await (await opened()).tasks.wake(id, revision));
    }),
    listWorkers: answer(async ({ queue }, metadata) => {
      const scope = await rights.scope(metadata);
      const { workers } = await opened();
      const all = await workers.list(cleanText(queue));
      const rows = all.filter((row) => scope === undefined || scope.services.includes(serviceOf(row.queue)));
      return {
        workers: rows.map(({ leaseUntil, ...row }) => ({ ...row, leaseUntilMs: leaseUntil.getTime() })),
      };
    }),
    work: (call) => work(call, opened),
  };
}

/** Whose contract a queue's tasks are of, where its name is that of a method. */
function serviceOf(queue: string): string {
  return queue.split("/", 1)[0] ?? "";
}

/** From outside the mesh, tasks may be looked at and cancelled, but neither given nor taken. */
function keepInside(metadata: Metadata): void {
  if (metadata.get(EDGE_HEADER).length === 0) return;
  throw new RouseError(
    "PERMISSION_DENIED",
    "Tasks are given, worked on and collected within the mesh, and this call came in through the edge. Dial the mesh's listener for services (ROUSE_MESH), or have a service submit the task.",
    { reason: "TASKS_INSIDE_ONLY" },
  );
}

async function* watch(
  { id, endOnly }: WatchTaskRequest,
  opened: () => Promise<TasksDeps>,
  signal: AbortSignal,
): AsyncGenerator<Task> {
  const { tasks, news } = await opened();
  let last: TaskRow | undefined;
  for await (const row of news.follow(tasks, id, endOnly, signal)) {
    if (last === undefined || differs(last, row)) yield toApi(row);
    last = row;
  }
}

/** Progress is told without a new revision. */
function differs(a: TaskRow, b: TaskRow): boolean {
  return (
    a.revision !== b.revision ||
    a.progress_fraction !== b.progress_fraction ||
    a.progress_note !== b.progress_note
  );
}

async function* subtasks(
  { id, turn, brief }: ListSubtasksRequest,
  opened: () => Promise<TasksDeps>,
): AsyncGenerator<Task> {
  const { tasks } = await opened();
  await tasks.get(id);
  const limit = brief ? BRIEF_PAGE : PAGE;
  let after = { turn: 0, position: -1 };
  for (;;) {
    const page = await tasks.subtasks(id, { turn, brief, after, limit });
    for (const { row } of page) yield toApi(row);
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return;
    after = { turn: last.turn, position: last.row.position };
  }
}

/** A worker's stream: messages are heard one after the other once the hello was answered. */
function work(call: WorkCall, opened: () => Promise<TasksDeps>): void {
  let stream: WorkStream | undefined;
  let greeting: Promise<void> | undefined;
  const fail = (thrown: unknown) => {
    stream?.close();
    call.emit("error", statusObject(thrown));
  };
  call.on("data", (request) => {
    if (greeting === undefined) {
      greeting = (async () => {
        keepInside(call.metadata);
        if (request.what?.$case !== "hello")
          throw new RouseError("INVALID_ARGUMENT", "The first message of a worker is its hello.", {
            reason: "TASK_WORKER_INVALID",
          });
        const hello = request.what.value;
        stream = new WorkStream(call, hello, await opened());
        await stream.begin(hello);
      })();
      greeting.catch(fail);
      return;
    }
    greeting.then(() => stream?.hear(request)).catch((thrown: unknown) => stream?.fail(thrown));
  });
  call.on("end", () => {
    stream?.close();
    call.end();
  });
  call.on("cancelled", () => stream?.close());
  call.on("error", () => stream?.close());
}
