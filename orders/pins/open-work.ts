import type { Pool } from "pg";
import { z } from "zod";
import { unreachable } from "../database/connect.ts";
import { NOTHING_OPEN, type OpenCounts } from "./note.ts";

/** Indexes for {@link openWork}, on the tables of other parts. */
export const pinsTables: readonly string[] = [
  `DROP INDEX operations_pinned;
   CREATE INDEX operations_pinned ON operations (service, version) WHERE state IN ('waiting', 'running');
   CREATE INDEX order_tasks_pinned ON order_tasks (service, version) WHERE state IN ('waiting', 'ready', 'running');`,
];

const rowSchema = z.object({
  kind: z.enum(["runs", "operations", "orders"]),
  service: z.string(),
  version: z.string(),
  open: z.number(),
  ids: z.array(z.string()),
});

/** Versions of which something has not ended: how much, and ids of some, the oldest first. */
export interface OpenVersion {
  readonly service: string;
  readonly version: string;
  readonly open: OpenCounts;
}

/** @throws RouseError UNAVAILABLE DATABASE_UNREACHABLE. */
export async function openWork(pool: Pool): Promise<OpenVersion[]> {
  const { rows } = await pool
    .query(
      `SELECT CASE WHEN durable THEN 'runs' ELSE 'operations' END AS kind, service, version, count(*)::integer AS open,
         (array_agg(id::text ORDER BY created_at))[1:5] AS ids
       FROM operations WHERE state IN ('waiting', 'running') GROUP BY 1, 2, 3
       UNION ALL
       SELECT 'orders', service, version, count(*)::integer, (array_agg(id::text ORDER BY sequence))[1:5]
       FROM (SELECT DISTINCT o.id, o.sequence, t.service, t.version FROM orders o JOIN order_tasks t ON t.order_id = o.id
             WHERE o.ended_at IS NULL AND t.state IN ('waiting', 'ready', 'running')) AS open GROUP BY 2, 3`,
    )
    .catch((cause: unknown) => {
      throw unreachable(cause);
    });
  const versions = new Map<string, OpenVersion>();
  for (const { kind, service, version, ...open } of rows.map((row) => rowSchema.parse(row))) {
    const key = `${service} ${version}`;
    const known = versions.get(key)?.open ?? NOTHING_OPEN;
    versions.set(key, { service, version, open: { ...known, [kind]: open } });
  }
  return [...versions.values()];
}
