/*
 * rouse/tasks
 *
 *   taskQueue(method) or taskQueue<Payload, Result>(name): a queue and what its tasks bring and answer
 *   submitTask(queue, payload, options?): a task; task(queue, id): one that was submitted elsewhere
 *   taskWorker(queue, { room, handle }): takes tasks; subtask(queue, payload) for task.split
 */
export { RouseError } from "../errors.ts";
export { type SubmitOptions, submitTask, type TaskHandle, type TaskTarget, task } from "./client.ts";
export { type NewSubtask, subtask, type TaskQueue, type TaskSettings, taskQueue } from "./queue.ts";
export type { TaskView } from "./view.ts";
export { type TaskWorker, taskWorker, type WorkerOptions } from "./worker.ts";
export { Suspension, type WorkingTask } from "./working.ts";
