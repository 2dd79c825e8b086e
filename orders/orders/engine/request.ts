import { fromJson, type JsonValue, toBinary, toJsonString } from "@bufbuild/protobuf";
import { RouseError } from "../../../sdk/errors.ts";
import type { Contracts } from "../contract/contracts.ts";
import { fill, fillInput } from "../contract/fill.ts";
import type { EngineStore } from "../store/engine-store.ts";
import type { TaskRow } from "../store/record.ts";
import type { Attempt } from "./executor.ts";

/**
 * Puts into a task what it takes of others, and encodes its request.
 *
 * @throws RouseError FAILED_PRECONDITION REFERENCE_EMPTY; INVALID_ARGUMENT PARAMETERS_INVALID where what came of another task does not
 *   fit after all; NOT_FOUND VERSION_UNKNOWN, ORDER_UNKNOWN; UNAVAILABLE.
 */
export async function makeAttempt(task: TaskRow, store: EngineStore, contracts: Contracts): Promise<Attempt> {
  const [order, others] = await Promise.all([
    store.whose(task.order_id),
    store.given(task.order_id, task.needs),
  ]);
  const given = {
    result: (name: string) => {
      const result = others.get(name)?.result;
      return typeof result === "string" ? (JSON.parse(result) as JsonValue) : undefined;
    },
    output: (name: string, output: string) =>
      others.get(name)?.outputs.findLast((one) => one.name === output)?.uri,
  };
  const { descriptor, types } = await contracts.method(task.service, task.version, task.method);
  const filled = fill(JSON.parse(task.parameters) as JsonValue, given);
  try {
    const message = fromJson(descriptor.input, filled, { registry: types });
    return {
      key: { orderId: task.order_id, task: task.name, attempt: task.attempts },
      task,
      order,
      request: Buffer.from(toBinary(descriptor.input, message)),
      requestJson: toJsonString(descriptor.input, message, { registry: types }),
      inputs: Object.fromEntries(
        Object.entries(task.inputs).map(([name, text]) => [name, fillInput(text, given)]),
      ),
    };
  } catch (thrown) {
    if (thrown instanceof RouseError) throw thrown;
    throw new RouseError(
      "INVALID_ARGUMENT",
      `Task "${task.name}": with what came of other tasks, the parameters are no ${descriptor.input.typeName}: ${(thrown as Error).message}.`,
      { reason: "PARAMETERS_INVALID", metadata: { task: task.name } },
    );
  }
}
