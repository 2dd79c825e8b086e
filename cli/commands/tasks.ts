import { randomUUID } from "node:crypto";
import { type Command, InvalidArgumentError } from "commander";
import { type Task, TaskState, TasksClient } from "#proto/rouse/orders/v1/tasks.ts";
import { errorOf } from "../../sdk/error-record.ts";
import { callError, unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { parseCount } from "../flags.ts";
import {
  changeLines,
  stateOf,
  stateWord,
  stateWords,
  taskLines,
  treeLines,
  workerLines,
} from "../tasks/lines.ts";
import { encodePayload, resultText } from "../tasks/payload.ts";

/** The packaged database may have to be started first, ms. */
const DATABASE_MS = 90_000;
const DEEPEST = 20;

interface ListFlags {
  readonly limit: number;
  readonly state: TaskState;
  readonly roots?: true;
  readonly json?: true;
}

interface SubmitFlags {
  readonly key?: string;
  readonly priority: number;
  readonly retries: number;
}

/** `rouse tasks`: what waits in queues, who works on it, and what became of it. */
export function addTasks(program: Command): void {
  const command = program
    .command("tasks")
    .description("list tasks, newest first; show one with its subtasks, submit, wait, cancel")
    .argument("[queue]", "only of this one")
    .option("--limit <count>", "at most so many", parseCount, 20)
    .option("--state <state>", `only those that are ${stateWords()}`, parseState, TaskState.UNSPECIFIED)
    .option("--roots", "only those that are nobody's subtask")
    .option("--json", "print JSON")
    .action(async (queue: string | undefined, { limit, state, roots, json }: ListFlags) => {
      const request = { queue: queue ?? "", state, limit, roots: roots === true };
      const { tasks } = await ask((client) =>
        unary(client, "listTasks", request, { deadlineMs: DATABASE_MS }),
      );
      if (json === true) console.log(JSON.stringify(tasks, null, 2));
      else if (tasks.length === 0) console.log('There are none; "rouse tasks submit" makes one.');
      else console.log(taskLines(tasks, Date.now()));
    });
  command
    .command("show <id>")
    .description("a task with all below it, and what became of it, change by change")
    .action(async (id: string) => {
      await ask(async (client) => {
        const task = await unary(client, "getTask", { id });
        const below = new Map<string, Task[]>();
        await readBelow(client, id, below, DEEPEST);
        console.log(treeLines(task, below, Date.now()).join("\n"));
        const { changes } = await unary(client, "listTaskChanges", { id, after: 0 });
        console.log(`\n${changeLines(changes)}`);
      });
    });
  command
    .command("submit <queue> [json]")
    .description("put a task into a queue; a queue named SERVICE/METHOD takes what that method takes")
    .option("--key <key>", "idempotency key: the same key gives the same task")
    .option("--priority <number>", "those of a higher one are given out first", parseWhole, 0)
    .option("--retries <count>", "how often it is tried again after it has failed", parseWhole, 0)
    .action(async (queue: string, json: string | undefined, { key, priority, retries }: SubmitFlags) => {
      const { registry } = readMesh();
      const payload = await encodePayload(registry, queue, json ?? "{}");
      const task = { queue, payload, priority, retries, mostLosses: 0, keepMs: 0 };
      const request = { task, idempotencyKey: key ?? randomUUID() };
      const { id } = await ask((client) => unary(client, "submitTask", request, { deadlineMs: DATABASE_MS }));
      console.log(id);
      console.error(`its result: rouse tasks wait ${id}`);
    });
  command
    .command("wait <id>")
    .description("wait for the end of a task, and print its result; it stays to be collected")
    .action(async (id: string) => {
      const task = await ask((client) => ended(client, id));
      console.log(await resultOf(task));
    });
  command
    .command("cancel <id>")
    .description("end a task and its subtasks; who waits for it is told the reason")
    .option("--reason <text>", "why", "")
    .option("--revision <number>", "only if it is still this one", parseCount, 0)
    .action(async (id: string, flags: { reason: string; revision: number }) => {
      const task = await ask((client) => unary(client, "cancelTask", { id, ...flags }));
      console.log(`${id} ${stateWord(task.state)}`);
    });
  command
    .command("wake <id>")
    .description("wake a sleeping task before its time")
    .action(async (id: string) => {
      const task = await ask((client) => unary(client, "wakeTask", { id, revision: 0 }));
      console.log(`${id} ${stateWord(task.state)}`);
    });
  command
    .command("workers [queue]")
    .description("list those who take tasks, with what they have")
    .action(async (queue: string | undefined) => {
      const { workers } = await ask((client) =>
        unary(client, "listWorkers", { queue: queue ?? "" }, { deadlineMs: DATABASE_MS }),
      );
      if (workers.length === 0) console.log("There are none.");
      else console.log(workerLines(workers, Date.now()));
    });
}

function ask<T>(work: (client: TasksClient) => Promise<T>): Promise<T> {
  return withClient(TasksClient, readMesh().orders, work);
}

/** Reads the subtasks of a task, theirs, and so on. */
async function readBelow(
  client: TasksClient,
  id: string,
  below: Map<string, Task[]>,
  deepest: number,
): Promise<void> {
  const subtasks: Task[] = [];
  try {
    const stream = client.listSubtasks({ id, turn: 0, brief: true }) as AsyncIterable<Task>;
    for await (const subtask of stream) subtasks.push(subtask);
  } catch (error) {
    throw callError(error);
  }
  below.set(id, subtasks);
  // Only who has gone on from its first turn can have some.
  if (deepest > 0)
    for (const { id: next, turn } of subtasks)
      if (turn > 1) await readBelow(client, next, below, deepest - 1);
}

/** The task at its end; changes are told on stderr. */
async function ended(client: TasksClient, id: string): Promise<Task> {
  let last: Task | undefined;
  try {
    for await (const task of client.watchTask({ id, endOnly: false }) as AsyncIterable<Task>) {
      if (task.endedAtMs === 0 && task.state !== last?.state) console.error(`${id} ${stateWord(task.state)}`);
      last = task;
    }
  } catch (error) {
    throw callError(error);
  }
  return last ?? unary(client, "getTask", { id });
}

/** @throws RouseError the task's own when it has failed or was cancelled. */
async function resultOf({ queue, result, error, state }: Task): Promise<string> {
  if (state === TaskState.DONE_CALCULATING || state === TaskState.COLLECTED)
    return resultText(readMesh().registry, queue, result);
  const { code = 2, message = stateWord(state), reason = "UNKNOWN", metadata = {} } = error ?? {};
  throw errorOf({ code, message, reason, metadata });
}

function parseState(text: string): TaskState {
  const state = stateOf(text);
  if (state !== undefined) return state;
  throw new InvalidArgumentError(`"${text}" is no state: give one of ${stateWords()}.`);
}

function parseWhole(text: string): number {
  if (/^-?\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`"${text}" is no whole number.`);
}
