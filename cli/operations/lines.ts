import { fromBinary, toJson } from "@bufbuild/protobuf";
import { type Operation, OperationState } from "#proto/rouse/orders/v1/operations.ts";
import { age } from "../../sdk/age.ts";
import { errorOf } from "../../sdk/error-record.ts";
import { RouseError } from "../../sdk/errors.ts";
import { findMethod } from "../call/method.ts";
import { table } from "../table.ts";

/** "succeeded" */
export function stateWord(state: OperationState): string {
  return state.replace("OPERATION_STATE_", "").toLowerCase();
}

/** "40 % aligned 4 of 10" */
function progressWords({ progress }: Operation): string {
  if (progress === undefined) return "";
  return `${Math.round(progress.fraction * 100)} %${progress.note === "" ? "" : ` ${progress.note}`}`;
}

/** A line for each operation. */
export function operationLines(operations: readonly Operation[], nowMs: number): string {
  const rows = operations.map((operation) => [
    operation.id,
    `${operation.service}/${operation.method}`,
    operation.version,
    stateWord(operation.state),
    age(nowMs - operation.createdAtMs),
    operation.error?.message.split("\n")[0]?.slice(0, 80) ?? progressWords(operation),
  ]);
  return table(["OPERATION", "METHOD", "VERSION", "STATE", "AGE", ""], rows).join("\n");
}

/** One line about an operation that goes on. */
export function progressLine(operation: Operation): string {
  const progress = progressWords(operation);
  return `${operation.id} ${stateWord(operation.state)}${progress === "" ? "" : `: ${progress}`}`;
}

/**
 * The result as JSON.
 *
 * @throws RouseError the operation's own when it has failed or was cancelled.
 */
export async function resultJson(registry: string, operation: Operation): Promise<string> {
  const { service, method, version, error, state } = operation;
  if (error !== undefined) throw errorOf(error);
  if (state !== OperationState.SUCCEEDED)
    throw new RouseError("FAILED_PRECONDITION", `The operation ${progressLine(operation)}.`, {
      reason: "OPERATION_NOT_ENDED",
    });
  const { descriptor, types } = await findMethod(registry, `${service}/${method}`, version);
  const message = fromBinary(descriptor.output, operation.response);
  return JSON.stringify(toJson(descriptor.output, message, { registry: types }));
}
