import type { RegistryContext } from "../context.ts";
import { WIDTHS } from "./schema.ts";
import { beginning, usageStore } from "./store.ts";

/**
 * How often each method of a service was called, whatever the version and outcome, and by how many different callers. All
 * callers from outside of the mesh are one.
 *
 * @param sinceMs ms since 1970; counts are kept by the hour for 62 days, then by the day, so the first hour (day) is whole.
 */
export async function callsOf(
  context: RegistryContext,
  service: string,
  sinceMs: number,
): Promise<Map<string, { calls: number; callers: number }>> {
  const recent = sinceMs > Date.now() - 60 * WIDTHS.day;
  const width = recent ? WIDTHS.hour : WIDTHS.day;
  const rows = usageStore(context)
    .database.prepare(
      `SELECT method, sum(calls) AS calls, count(DISTINCT caller) AS callers FROM key JOIN calls ON key = id
        WHERE service = ? AND width = ? AND at >= ? GROUP BY method`,
    )
    .all(service, width, beginning(sinceMs, width)) as { method: string; calls: number; callers: number }[];
  return new Map(rows.map(({ method, calls, callers }) => [method, { calls, callers }]));
}
