import type { RecordFolder } from "../record.ts";
import type { Hook } from "./hook.ts";

/** Writes each change to disk, from where the next agent adopts. */
export function recordHook(records: RecordFolder): Hook {
  return { name: "record", changed: (instance) => records.save(instance.record) };
}
