import type { Capacity } from "../capacity.ts";
import type { Hook } from "./hook.ts";

/** Gives back what an instance had reserved. */
export function capacityHook(capacity: Capacity): Hook {
  return { name: "capacity", ended: ({ record }) => capacity.release(record.id) };
}
