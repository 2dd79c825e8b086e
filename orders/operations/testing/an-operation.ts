import { randomUUID } from "node:crypto";
import type { NewOperation } from "../store.ts";

/** A new operation, of a call that may be made twice. */
export function anOperation(more: Partial<NewOperation> = {}): NewOperation {
  return {
    id: randomUUID(),
    service: "a.v1.A",
    version: "1.0.0",
    method: "Do",
    caller: "",
    idempotencyKey: "",
    request: Buffer.alloc(0),
    requestDigest: Buffer.alloc(32),
    idempotent: true,
    deadlineMs: 1_000,
    startTimeoutMs: 1_000,
    keepMs: 60_000,
    durable: false,
    key: "",
    ...more,
  };
}
