import { TasksService } from "#proto/rouse/orders/v1/tasks.ts";
import type { OpenContext, OrdersPart } from "../part.ts";
import { runDispatch } from "./dispatcher.ts";
import { TaskNews } from "./news.ts";
import { Reports } from "./reports.ts";
import { type TasksDeps, tasksService } from "./service.ts";
import { TaskStore } from "./store.ts";
import { TASK_WORKERS_CHANGED, TASKS_CHANGED, TASKS_READY, taskTables } from "./tables.ts";
import { WorkerStore } from "./workers.ts";

/** Tasks and subtasks, and those who work on them. */
export const tasksPart: OrdersPart = {
  name: "tasks",
  tables: taskTables,
  channels: [TASKS_CHANGED, TASKS_READY, TASK_WORKERS_CHANGED],
  serve(server, { log, rights, opened }) {
    const made = new WeakMap<OpenContext, TasksDeps>();
    server.addService(
      TasksService,
      tasksService(async () => {
        const context = await opened();
        const known = made.get(context);
        if (known !== undefined) return known;
        const { pool, changes } = context;
        const tasks = new TaskStore(pool);
        const workers = new WorkerStore(pool);
        const reports = new Reports(workers, tasks, log);
        const deps = { tasks, workers, reports, changes, news: new TaskNews(changes), log };
        made.set(context, deps);
        return deps;
      }, rights),
    );
  },
  async lead({ pool, changes }, signal) {
    await runDispatch(new TaskStore(pool), new WorkerStore(pool), changes, signal);
  },
};
