import type { Pool } from "pg";

/** Steps from an empty database to today's, each applied once. Never change one that was released: add another. */
const STEPS: readonly string[] = [
  `CREATE TABLE operations (
     id uuid PRIMARY KEY,
     service text NOT NULL,
     version text NOT NULL,
     method text NOT NULL,
     caller text NOT NULL,
     idempotency_key text,
     request bytea NOT NULL,
     request_digest bytea NOT NULL,
     idempotent boolean NOT NULL,
     deadline_ms bigint NOT NULL,
     start_timeout_ms bigint NOT NULL,
     keep_ms bigint NOT NULL,
     state text NOT NULL,
     progress_fraction double precision,
     progress_note text,
     response bytea,
     error jsonb,
     attempts integer NOT NULL DEFAULT 0,
     created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     started_at timestamptz,
     ended_at timestamptz,
     revision bigint NOT NULL DEFAULT 1
   );
   CREATE UNIQUE INDEX operations_key ON operations (service, method, idempotency_key) WHERE idempotency_key IS NOT NULL;
   CREATE INDEX operations_by_time ON operations (created_at DESC);
   CREATE INDEX operations_ended ON operations (ended_at) WHERE ended_at IS NOT NULL;
   CREATE FUNCTION tell_operation() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN PERFORM pg_notify('rouse_operations', NEW.id::text); RETURN NULL; END $$;
   CREATE TRIGGER tell_operation AFTER INSERT OR UPDATE ON operations FOR EACH ROW EXECUTE FUNCTION tell_operation();`,
];

/** Any number that nobody else locks. */
const LOCK = 7_305_514;

/** Brings a database's schema "rouse_orders" up to date; several processes may do so at once. */
export async function migrate(pool: Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
    await client.query("CREATE SCHEMA IF NOT EXISTS rouse_orders");
    await client.query("CREATE TABLE IF NOT EXISTS steps (number integer PRIMARY KEY)");
    const done = await client.query<{ number: number }>("SELECT number FROM steps");
    const known = new Set(done.rows.map(({ number }) => number));
    for (const [number, step] of STEPS.entries()) {
      if (known.has(number)) continue;
      await client.query(step);
      await client.query("INSERT INTO steps VALUES ($1)", [number]);
    }
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}
