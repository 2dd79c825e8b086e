import { randomUUID } from "node:crypto";
import type { NewOrder, NewTask } from "../store/new-order.ts";

/** A new task, which is a call. */
export function aTask(more: Partial<NewTask> = {}): NewTask {
  return {
    name: "main",
    service: "s.v1.S",
    version: "1.0.0",
    method: "Do",
    kind: "call",
    provider: "p",
    needs: [],
    parameters: "{}",
    inputs: {},
    metadata: {},
    retries: 0,
    deadlineMs: 1_000,
    room: null,
    ...more,
  };
}

/** A new order of one task. */
export function anOrder(more: Partial<NewOrder> = {}): NewOrder {
  return {
    id: randomUUID(),
    name: "",
    priority: 5,
    metadata: {},
    caller: "",
    idempotencyKey: "",
    digest: Buffer.from("d"),
    keepMs: 60_000,
    tasks: [aTask()],
    ...more,
  };
}
