import {
  type Order,
  OrderState,
  type OrderTask,
  OrderTaskState,
  type ResourcesUsed,
} from "#proto/rouse/orders/v1/orders.ts";
import { age } from "../../sdk/age.ts";
import { errorOf } from "../../sdk/error-record.ts";
import { RouseError } from "../../sdk/errors.ts";
import { table } from "../table.ts";

/** "succeeded" */
export function orderStateWord(state: OrderState): string {
  return state.replace("ORDER_STATE_", "").toLowerCase();
}

function taskStateWord(state: OrderTaskState): string {
  return state.replace("ORDER_TASK_STATE_", "").toLowerCase();
}

/** A line for each order. */
export function orderLines(orders: readonly Order[], nowMs: number): string {
  const rows = orders.map((order) => [
    order.id,
    order.name || "-",
    orderStateWord(order.state),
    `${order.tasksSucceeded}/${order.taskCount}`,
    String(order.priority),
    age(nowMs - order.createdAtMs),
    firstLine(order.error?.message ?? ""),
  ]);
  return table(["ORDER", "NAME", "STATE", "TASKS", "PRIORITY", "AGE", ""], rows).join("\n");
}

/** An order with all its tasks. */
export function showLines(order: Order, nowMs: number): string {
  const { used } = order;
  const head = [
    `${order.id}${order.name === "" ? "" : ` (${order.name})`}: ${orderStateWord(order.state)}`,
    order.state === OrderState.QUEUED
      ? `, ${order.queuedBefore} before it`
      : `, ${Math.round(order.progress * 100)} %`,
    `, priority ${order.priority}, ${age(nowMs - order.createdAtMs)} old`,
  ].join("");
  const rows = order.tasks.map((task) => [
    task.name,
    `${task.service}/${task.method}`,
    task.version,
    taskStateWord(task.state),
    String(task.attempts),
    task.host || "-",
    ...usedCells(task.used),
    taskNote(task, nowMs),
  ]);
  const tasks = table(
    ["TASK", "METHOD", "VERSION", "STATE", "TRIES", "HOST", "TIME", "CPU", "MEMORY", "COST", ""],
    rows,
  );
  const outputs = order.tasks.flatMap(({ name, outputs: all }) =>
    all.map((output) => `  ${name}.${output.name}  ${output.uri}  ${output.bytes} bytes`),
  );
  const [time = "", cpu = "", memory = "", cost = ""] = usedCells(used);
  return [
    head,
    ...(order.error === undefined ? [] : [order.error.message]),
    ...tasks,
    `used in all: ${time}, ${cpu} of a core, ${memory} at most, cost ${cost}`,
    ...(outputs.length === 0 ? [] : ["outputs:", ...outputs]),
  ].join("\n");
}

function usedCells(used: ResourcesUsed | undefined): string[] {
  const { wallMs = 0, cpuMs = 0, memoryPeakBytes = 0, cost = 0 } = used ?? {};
  const mebibytes = memoryPeakBytes === 0 ? "-" : `${Math.ceil(memoryPeakBytes / 2 ** 20)} MiB`;
  return [
    seconds(wallMs),
    cpuMs === 0 ? "-" : seconds(cpuMs),
    mebibytes,
    cost === 0 ? "-" : cost.toPrecision(3),
  ];
}

function seconds(ms: number): string {
  return ms === 0 ? "-" : `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 0)} s`;
}

function taskNote(task: OrderTask, nowMs: number): string {
  if (task.state === OrderTaskState.READY && task.retryAtMs > nowMs)
    return `again in ${Math.ceil((task.retryAtMs - nowMs) / 1_000)} s: ${firstLine(task.error?.message ?? "")}`;
  if (task.error !== undefined) return firstLine(task.error.message);
  if (task.state === OrderTaskState.WAITING) return `needs ${task.needs.join(", ")}`;
  if (task.waitsFor !== "") return `waits for ${task.waitsFor}`;
  const { progress } = task;
  if (progress === undefined || task.state !== OrderTaskState.RUNNING) return "";
  return `${Math.round(progress.fraction * 100)} %${progress.note === "" ? "" : ` ${progress.note}`}`;
}

/** One line about an order that goes on. */
export function progressLine(order: Order): string {
  const running = order.tasks
    .filter(({ state }) => state === OrderTaskState.RUNNING)
    .map(({ name, progress }) =>
      progress === undefined ? name : `${name} ${Math.round(progress.fraction * 100)} %`,
    );
  const before = order.state === OrderState.QUEUED ? `, ${order.queuedBefore} before it` : "";
  const doing = running.length === 0 ? "" : `: ${running.join(", ")}`;
  return `${order.id} ${orderStateWord(order.state)}${before}, ${order.tasksSucceeded} of ${order.taskCount} tasks done${doing}`;
}

/**
 * What an order has given, as JSON: the result of the only task, or results and outputs of all.
 *
 * @throws RouseError the order's own when it has failed or was cancelled.
 */
export function resultJson(order: Order): string {
  const { error, tasks } = order;
  if (error !== undefined) throw errorOf(error);
  if (order.state !== OrderState.SUCCEEDED)
    throw new RouseError("DEADLINE_EXCEEDED", `The order ${progressLine(order)}.`, {
      reason: "ORDER_NOT_ENDED",
    });
  const parts = tasks.map(({ name, result, outputs }) => {
    const uris = Object.fromEntries(outputs.map((output) => [output.name, output.uri]));
    return [
      name,
      { result: JSON.parse(result || "{}") as unknown, ...(outputs.length > 0 && { outputs: uris }) },
    ] as const;
  });
  const [only] = parts;
  return JSON.stringify(parts.length === 1 && only?.[0] === "main" ? only[1] : Object.fromEntries(parts));
}

function firstLine(text: string): string {
  const [line = ""] = text.split("\n");
  return line.length > 100 ? `${line.slice(0, 100)}…` : line;
}
