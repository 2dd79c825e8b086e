/** Steps of the tables of tasks. Never change one that was released: add another. */
export const taskTables: readonly string[] = [
  `CREATE TABLE tasks (
     id uuid PRIMARY KEY,
     seq bigint GENERATED ALWAYS AS IDENTITY,
     queue text NOT NULL,
     parent uuid REFERENCES tasks ON DELETE CASCADE,
     parent_turn integer NOT NULL DEFAULT 0,
     position integer NOT NULL DEFAULT 0,
     caller text NOT NULL DEFAULT '',
     idempotency_key text,
     digest bytea,
     payload bytea NOT NULL,
     priority integer NOT NULL,
     retries integer NOT NULL,
     most_losses integer NOT NULL,
     keep_ms bigint NOT NULL,
     state text NOT NULL DEFAULT 'unassigned',
     revision bigint NOT NULL DEFAULT 1,
     assignment integer NOT NULL DEFAULT 0,
     worker text NOT NULL DEFAULT '',
     turn integer NOT NULL DEFAULT 1,
     pending integer NOT NULL DEFAULT 0,
     losses integer NOT NULL DEFAULT 0,
     failures integer NOT NULL DEFAULT 0,
     wake_at timestamptz,
     collected_by text NOT NULL DEFAULT '',
     error jsonb,
     kept bytea,
     result bytea,
     progress_fraction double precision,
     progress_note text,
     created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     ended_at timestamptz
   );
   CREATE UNIQUE INDEX tasks_key ON tasks (queue, idempotency_key) WHERE idempotency_key IS NOT NULL;
   CREATE INDEX tasks_ready ON tasks (queue, priority DESC, seq) WHERE state = 'unassigned';
   CREATE INDEX tasks_held ON tasks (worker) WHERE state IN ('assigned', 'working');
   CREATE INDEX tasks_sleeping ON tasks (wake_at) WHERE state = 'sleeping';
   CREATE INDEX tasks_below ON tasks (parent, parent_turn, position) WHERE parent IS NOT NULL;
   CREATE INDEX tasks_uncollected ON tasks (parent)
     WHERE parent IS NOT NULL AND collected_by = '' AND state IN ('done_calculating', 'failed', 'cancelled');
   CREATE INDEX tasks_by_time ON tasks (created_at DESC);
   CREATE INDEX tasks_ended ON tasks (ended_at) WHERE ended_at IS NOT NULL AND parent IS NULL;
   CREATE TABLE task_changes (
     task uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
     revision bigint NOT NULL,
     at timestamptz NOT NULL DEFAULT clock_timestamp(),
     kind text NOT NULL,
     state text NOT NULL,
     assignment integer NOT NULL,
     by text NOT NULL,
     note text NOT NULL,
     PRIMARY KEY (task, revision)
   );
   CREATE TABLE task_workers (
     id text PRIMARY KEY,
     queue text NOT NULL,
     name text NOT NULL,
     room integer NOT NULL,
     leaving boolean NOT NULL DEFAULT false,
     lease_ms integer NOT NULL,
     lease_until timestamptz NOT NULL,
     session text NOT NULL,
     turn bigint NOT NULL DEFAULT 0,
     since timestamptz NOT NULL DEFAULT clock_timestamp()
   );`,
];

/** Payload: id of a task that changed, and "over" or "open". */
export const TASKS_CHANGED = "rouse_tasks";
/** There may be something to give out, or room for it. Payload: when the next one that fell asleep is due, ms since 1970; or empty. */
export const TASKS_READY = "rouse_tasks_ready";
/** Payload: id of a worker whose tasks are not what they were. */
export const TASK_WORKERS_CHANGED = "rouse_task_workers";
