import type { Capacity } from "../capacity.ts";
import type { ManagedInstance } from "../instance.ts";
import type { Hook } from "./hook.ts";

/** Gives back what an instance had reserved. */
export function capacityHook(capacity: Capacity): Hook {
  const release = ({ record }: ManagedInstance) => capacity.release(record.id);
  // One that never ran only ends.
  return { name: "capacity", exited: release, ended: release };
}
