import { OrderState, OrderTaskState } from "../../gen/rouse/orders/v1/orders.ts";

/** The states that the list can be narrowed to, by their word in the address. */
export const orderStates: ReadonlyMap<string, OrderState> = new Map([
  ["queued", OrderState.ORDER_STATE_QUEUED],
  ["running", OrderState.ORDER_STATE_RUNNING],
  ["succeeded", OrderState.ORDER_STATE_SUCCEEDED],
  ["failed", OrderState.ORDER_STATE_FAILED],
  ["cancelled", OrderState.ORDER_STATE_CANCELLED],
]);

const words = new Map([...orderStates].map(([word, state]) => [state, word]));

const taskWords = new Map<OrderTaskState, string>([
  [OrderTaskState.ORDER_TASK_STATE_WAITING, "waiting"],
  [OrderTaskState.ORDER_TASK_STATE_READY, "ready"],
  [OrderTaskState.ORDER_TASK_STATE_RUNNING, "running"],
  [OrderTaskState.ORDER_TASK_STATE_SUCCEEDED, "succeeded"],
  [OrderTaskState.ORDER_TASK_STATE_FAILED, "failed"],
  [OrderTaskState.ORDER_TASK_STATE_CANCELLED, "cancelled"],
  [OrderTaskState.ORDER_TASK_STATE_SKIPPED, "skipped"],
]);

export function orderWord(state: OrderState): string {
  return words.get(state) ?? "unknown";
}

export function taskWord(state: OrderTaskState): string {
  return taskWords.get(state) ?? "unknown";
}

/** True when it will not change any more, unless it is taken up again. */
export function isOver(state: OrderState): boolean {
  return state !== OrderState.ORDER_STATE_QUEUED && state !== OrderState.ORDER_STATE_RUNNING;
}
