/** Steps of the tables of async calls. */
export const operationsTables: readonly string[] = [
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
  // JSON; null: none.
  "ALTER TABLE operations ADD COLUMN headers text",
  // jsonb takes no NUL and no half of a surrogate pair, which messages of programs may hold.
  "ALTER TABLE operations ALTER COLUMN error TYPE json",
  // Provider whose key it was asked for with.
  "ALTER TABLE operations ADD COLUMN asker text NOT NULL DEFAULT ''",
];
