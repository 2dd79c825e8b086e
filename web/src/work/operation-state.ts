import { type Operation, OperationState } from "../../gen/rouse/orders/v1/operations.ts";

/** The states that the list can be narrowed to, by their word in the address. */
export const operationStates: ReadonlyMap<string, OperationState> = new Map([
  ["waiting", OperationState.OPERATION_STATE_WAITING],
  ["running", OperationState.OPERATION_STATE_RUNNING],
  ["succeeded", OperationState.OPERATION_STATE_SUCCEEDED],
  ["failed", OperationState.OPERATION_STATE_FAILED],
  ["cancelled", OperationState.OPERATION_STATE_CANCELLED],
]);

const words = new Map([...operationStates].map(([word, state]) => [state, word]));

export function operationWord(state: OperationState): string {
  return words.get(state) ?? "unknown";
}

/** True when it will not change any more. */
export function isOver({ state }: Pick<Operation, "state">): boolean {
  return state !== OperationState.OPERATION_STATE_WAITING && state !== OperationState.OPERATION_STATE_RUNNING;
}

/** How long it ran, or has been running, ms; undefined before it began. */
export function ranFor(
  { startedAtMs, endedAtMs }: { readonly startedAtMs: bigint; readonly endedAtMs: bigint },
  now = Date.now(),
): number | undefined {
  if (startedAtMs === 0n) return undefined;
  return Math.max(0, (endedAtMs === 0n ? now : Number(endedAtMs)) - Number(startedAtMs));
}
