/** NOTIFY on it tells the id of an order that changed. */
export const ORDERS_CHANNEL = "rouse_orders";

/** Steps of the tables of orders. JSON is kept as text: jsonb takes no NUL, which messages of programs may hold. */
export const ordersTables: readonly string[] = [
  `CREATE TABLE orders (
     id uuid PRIMARY KEY,
     sequence bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
     name text NOT NULL,
     priority integer NOT NULL,
     metadata text NOT NULL,
     caller text NOT NULL,
     idempotency_key text UNIQUE,
     digest bytea NOT NULL,
     keep_ms bigint NOT NULL,
     state text NOT NULL,
     error text,
     created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     started_at timestamptz,
     ended_at timestamptz,
     revision bigint NOT NULL DEFAULT 1
   );
   CREATE INDEX orders_open ON orders (state, priority, sequence) WHERE ended_at IS NULL;
   CREATE INDEX orders_ended ON orders (ended_at) WHERE ended_at IS NOT NULL;
   CREATE TABLE order_tasks (
     order_id uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
     position integer NOT NULL,
     name text NOT NULL,
     service text NOT NULL,
     version text NOT NULL,
     method text NOT NULL,
     kind text NOT NULL,
     provider text NOT NULL,
     needs text[] NOT NULL,
     parameters text NOT NULL,
     inputs text NOT NULL,
     metadata text NOT NULL,
     retries integer NOT NULL,
     deadline_ms bigint NOT NULL,
     room text,
     state text NOT NULL,
     attempts integer NOT NULL DEFAULT 0,
     failures integer NOT NULL DEFAULT 0,
     faults integer NOT NULL DEFAULT 0,
     host text,
     ready_at timestamptz,
     retry_at timestamptz,
     started_at timestamptz,
     attempt_at timestamptz,
     ended_at timestamptz,
     result text,
     outputs text,
     said text,
     progress_fraction double precision,
     progress_note text,
     waits_for text,
     error text,
     wall_ms bigint NOT NULL DEFAULT 0,
     cpu_ms bigint NOT NULL DEFAULT 0,
     memory_peak_bytes bigint NOT NULL DEFAULT 0,
     read_bytes bigint NOT NULL DEFAULT 0,
     written_bytes bigint NOT NULL DEFAULT 0,
     cost double precision NOT NULL DEFAULT 0,
     PRIMARY KEY (order_id, name)
   );
   CREATE INDEX order_tasks_service ON order_tasks (service);
   CREATE TABLE order_logs (
     order_id uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
     task text NOT NULL,
     attempt integer NOT NULL,
     lines text NOT NULL,
     PRIMARY KEY (order_id, task, attempt)
   );
   CREATE FUNCTION tell_order() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN PERFORM pg_notify('${ORDERS_CHANNEL}', NEW.id::text); RETURN NULL; END $$;
   CREATE TRIGGER tell_order AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION tell_order();`,
  // Provider whose key it was asked for with.
  "ALTER TABLE orders ADD COLUMN asker text NOT NULL DEFAULT ''",
];
