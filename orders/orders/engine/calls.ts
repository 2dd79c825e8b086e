import { createHash, randomUUID } from "node:crypto";
import { fromBinary, toJsonString } from "@bufbuild/protobuf";
import type { MeshFollower } from "../../../registry/follower.ts";
import { errorOf } from "../../../sdk/error-record.ts";
import { RouseError } from "../../../sdk/errors.ts";
import type { Changes } from "../../database/changes.ts";
import { isOver, type OperationRow } from "../../operations/record.ts";
import { OPERATIONS_CHANNEL } from "../../operations/runner.ts";
import type { OperationStore } from "../../operations/store.ts";
import type { VersionPins } from "../../pins/pins.ts";
import type { Contracts } from "../contract/contracts.ts";
import { type Attempt, type Ending, type Executor, NOTHING_USED, type Outcome, STOP } from "./executor.ts";

/** An operation is only looked at until its end is written down with the order. */
const KEEP_MS = 86_400_000;

export interface CallsDeps {
  readonly operations: OperationStore;
  readonly changes: Changes;
  readonly mesh: MeshFollower;
  readonly contracts: Contracts;
  readonly pins: Pick<VersionPins, "during">;
}

/**
 * Tasks that are calls: each attempt is an operation, whose key is the attempt. So it is made through the mesh, exactly once where it
 * must be, and found again after any crash.
 */
export class Calls implements Executor {
  readonly #deps: CallsDeps;

  constructor(deps: CallsDeps) {
    this.#deps = deps;
  }

  async run(
    attempt: Attempt,
    progress: (fraction: number, note: string) => void,
    signal: AbortSignal,
  ): Promise<Ending | undefined> {
    const { operations, pins } = this.#deps;
    const made = await this.#operation(attempt);
    const begun = await pins.during([made], () => operations.insert(made));
    const ended = await this.#follow(begun, progress, signal);
    if (ended !== undefined) return this.#ending(attempt, ended);
    if (signal.reason !== STOP) return undefined;
    const error = new RouseError("CANCELLED", "The order was cancelled.", { reason: "ORDER_CANCELLED" });
    const stopped = (await operations.fail(begun.id, error, "cancelled")) ?? (await operations.get(begun.id));
    return this.#ending(attempt, stopped ?? begun);
  }

  async #operation({ key, task, order, request }: Attempt) {
    const { service, version, method } = task;
    const manifest = (await this.#deps.mesh.state()).services.get(service)?.versions.get(version)?.manifest;
    const known = manifest?.methods.find(({ name }) => name === method);
    if (manifest === undefined || known === undefined) {
      throw new RouseError(
        "NOT_FOUND",
        `${service} ${version} is not registered any more. Register it again, then retry the order.`,
        { reason: "VERSION_UNKNOWN", metadata: { service, version } },
      );
    }
    const durable = known.durable === true;
    return {
      id: randomUUID(),
      service,
      version,
      method,
      caller: order.caller,
      asker: order.asker,
      idempotencyKey: `order:${key.orderId}:${task.position}:${key.attempt}`,
      request,
      requestDigest: createHash("sha256").update(request).digest(),
      idempotent: known.idempotency !== "unknown",
      // A durable run sleeps as long as it likes.
      deadlineMs: durable && known.deadlineMs === 0 ? 0 : task.deadline_ms,
      startTimeoutMs: manifest.startTimeoutMs,
      keepMs: KEEP_MS,
      headers: task.metadata,
      durable,
      key: "",
    };
  }

  /** @returns the operation at its end; undefined when the signal aborts before. */
  async #follow(
    begun: OperationRow,
    progress: (fraction: number, note: string) => void,
    signal: AbortSignal,
  ): Promise<OperationRow | undefined> {
    const { operations, changes } = this.#deps;
    let changed = Promise.withResolvers<void>();
    const wake = () => changed.resolve();
    const unlisten = changes.listen(OPERATIONS_CHANNEL, (id) => {
      if (id === undefined || id === begun.id) wake();
    });
    signal.addEventListener("abort", wake, { once: true });
    let told = "";
    try {
      while (!signal.aborted) {
        changed = Promise.withResolvers<void>();
        const row = await operations.get(begun.id);
        if (row === undefined) throw gone(begun);
        if (isOver(row)) return row;
        const { progress_fraction: fraction, progress_note: note } = row;
        const now = JSON.stringify([fraction, note]);
        if (fraction !== null && now !== told) progress(fraction, note ?? "");
        told = now;
        if (!signal.aborted) await changed.promise;
      }
      return undefined;
    } finally {
      unlisten();
      signal.removeEventListener("abort", wake);
    }
  }

  async #ending({ task }: Attempt, row: OperationRow): Promise<Ending> {
    const began = row.started_at?.getTime() ?? row.created_at.getTime();
    const used = { ...NOTHING_USED, wallMs: Math.max(0, (row.ended_at?.getTime() ?? Date.now()) - began) };
    return { outcome: await this.#outcome(task, row), used, lines: [] };
  }

  async #outcome(task: Attempt["task"], row: OperationRow): Promise<Outcome> {
    if (row.state !== "succeeded") {
      const error = row.error === null ? gone(row) : errorOf(row.error);
      return { kind: "failed", error, blame: "task" };
    }
    const { descriptor, types } = await this.#deps.contracts.method(task.service, task.version, task.method);
    const message = fromBinary(descriptor.output, row.response ?? new Uint8Array());
    // With the fields that have their default: other tasks may refer to them.
    const result = toJsonString(descriptor.output, message, { registry: types, alwaysEmitImplicit: true });
    return { kind: "succeeded", result, outputs: [], said: {} };
  }
}

function gone({ service, method }: Pick<OperationRow, "service" | "method">): RouseError {
  return new RouseError(
    "ABORTED",
    `The call of ${service}/${method} was forgotten before its end was noted.`,
  );
}
