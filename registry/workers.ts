import { z } from "zod";
import type { VersionManifest } from "./state.ts";

/** What shares the work inside an instance. */
export const workersSchema = z.strictObject({
  kind: z.enum(["processes", "threads"]),
  count: z.number().int().min(1).max(64),
  /** An instance stays on whole cores that its host chooses; absent: it runs anywhere. */
  pinCores: z.literal(true).exactOptional(),
});

export type Workers = z.infer<typeof workersSchema>;

/** The workers of a version's instances; one where its contract says nothing. */
export function workersOf({ workers }: Pick<VersionManifest, "workers">): Workers {
  return workers ?? { kind: "processes", count: 1 };
}

/**
 * How an instance shares its work, in one word that Consul keeps with it: "processes:4", "threads:2 pinned", "1" for one worker
 * that runs anywhere.
 *
 * @param given As ROUSE_WORKERS tells the instance.
 */
export function workersText(given: string | undefined, isPinned = false): string {
  return `${given || "1"}${isPinned ? " pinned" : ""}`;
}

/** How an instance is told (sdk/server/workers/role.ts). */
export function workersEnvironment(manifest: Pick<VersionManifest, "workers">): Record<string, string> {
  const { kind, count } = workersOf(manifest);
  return count === 1 ? {} : { ROUSE_WORKERS: `${kind}:${count}` };
}
