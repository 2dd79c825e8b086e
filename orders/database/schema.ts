import type { OrdersPart } from "../part.ts";
import { ownClient } from "./client.ts";

/** Any number that nobody else locks. */
const LOCK = 7_305_514;

/**
 * Brings the parts' tables in a database's schema "rouse_orders" up to date; several processes may do so at once. A step may take as
 * long as it takes.
 *
 * @param connectMs How long a connection is waited for, ms.
 */
export async function migrate(
  url: string,
  parts: readonly Pick<OrdersPart, "name" | "tables">[],
  connectMs: number,
): Promise<void> {
  const options = "-c search_path=rouse_orders";
  const client = ownClient(url, { name: "rouse-orders-tables", options, connectMs });
  // What breaks it rejects the statement as well.
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("BEGIN");
    await client.query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
    await client.query("CREATE SCHEMA IF NOT EXISTS rouse_orders");
    await client.query(
      "CREATE TABLE IF NOT EXISTS steps (part text, number integer, PRIMARY KEY (part, number))",
    );
    const done = await client.query<{ part: string; number: number }>("SELECT part, number FROM steps");
    const known = new Set(done.rows.map(({ part, number }) => `${part} ${number}`));
    for (const { name, tables } of parts) {
      for (const [number, step] of tables.entries()) {
        if (known.has(`${name} ${number}`)) continue;
        await client.query(step);
        await client.query("INSERT INTO steps VALUES ($1, $2)", [name, number]);
      }
    }
    await client.query("COMMIT");
  } finally {
    // What is not committed is undone.
    await client.end().catch(() => undefined);
  }
}
