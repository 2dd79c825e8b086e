/** Steps of the tables of durable runs, which add to those of operations: a run is an operation with a journal. */
export const runsTables: readonly string[] = [
  `ALTER TABLE operations
     ADD COLUMN durable boolean NOT NULL DEFAULT false,
     ADD COLUMN parent uuid;
   CREATE INDEX operations_parent ON operations (parent) WHERE parent IS NOT NULL;
   CREATE INDEX operations_durable ON operations (created_at DESC) WHERE durable;
   CREATE INDEX operations_pinned ON operations (service, version) WHERE durable AND state IN ('waiting', 'running');

   CREATE TABLE runs (
     id uuid PRIMARY KEY,
     -- Order in which runs were started, within a key above all.
     seq bigserial,
     key text NOT NULL,
     -- Indexes of the entries that a run which holds no instance waits for.
     waiting integer[],
     wakes_at_ms bigint,
     retries integer NOT NULL DEFAULT 0,
     trouble text NOT NULL DEFAULT ''
   );
   CREATE TABLE run_entries (
     run uuid NOT NULL,
     index integer NOT NULL,
     kind smallint NOT NULL,
     name text NOT NULL,
     digest bytea NOT NULL,
     done boolean NOT NULL,
     value bytea NOT NULL,
     error jsonb,
     until_ms bigint NOT NULL,
     child uuid,
     began_at_ms bigint NOT NULL,
     recorded_at_ms bigint NOT NULL,
     completed_at_ms bigint NOT NULL,
     ord bigint NOT NULL,
     PRIMARY KEY (run, index)
   );
   CREATE INDEX run_entries_open ON run_entries (run) WHERE NOT done;
   CREATE TABLE run_answers (
     run uuid NOT NULL,
     name text NOT NULL,
     value bytea NOT NULL,
     PRIMARY KEY (run, name)
   );

   CREATE OR REPLACE FUNCTION tell_operation() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       PERFORM pg_notify('rouse_operations', NEW.id::text);
       IF NOT NEW.durable THEN PERFORM pg_notify('rouse_calls', NEW.id::text); END IF;
       IF NEW.durable OR NEW.parent IS NOT NULL THEN
         PERFORM pg_notify('rouse_runs', NEW.id::text || ' ' || NEW.state);
       END IF;
       RETURN NULL;
     END $$;
   CREATE FUNCTION forget_run() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       DELETE FROM run_entries WHERE run = OLD.id;
       DELETE FROM run_answers WHERE run = OLD.id;
       DELETE FROM runs WHERE id = OLD.id;
       RETURN NULL;
     END $$;
   CREATE TRIGGER forget_run AFTER DELETE ON operations FOR EACH ROW WHEN (OLD.durable) EXECUTE FUNCTION forget_run();`,
  // As with operations.
  "ALTER TABLE run_entries ALTER COLUMN error TYPE json",
  // What runs of a key keep for those after them. One that was ended by somebody else must not write over what its successor keeps.
  `CREATE TABLE run_kept (
     id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
     service text NOT NULL,
     key text NOT NULL,
     name text NOT NULL,
     value bytea NOT NULL,
     run uuid NOT NULL,
     kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     UNIQUE (service, key, name)
   );
   CREATE FUNCTION keep_of_run() RETURNS trigger LANGUAGE plpgsql AS $$
     DECLARE
       of record;
     BEGIN
       SELECT o.service, r.key INTO of FROM operations o JOIN runs r ON r.id = o.id
         WHERE o.id = NEW.run AND r.key <> ''
           -- The last entry is written together with the end of its run.
           AND (o.state IN ('waiting', 'running') OR o.xmin = pg_current_xact_id()::xid) FOR SHARE OF o;
       IF NOT FOUND THEN RETURN NULL; END IF;
       IF length(NEW.value) = 0 THEN
         DELETE FROM run_kept WHERE service = of.service AND key = of.key AND name = NEW.name;
       ELSE
         INSERT INTO run_kept (service, key, name, value, run) VALUES (of.service, of.key, NEW.name, NEW.value, NEW.run)
         ON CONFLICT (service, key, name) DO UPDATE SET value = excluded.value, run = excluded.run, kept_at = clock_timestamp();
       END IF;
       RETURN NULL;
     END $$;
   CREATE TRIGGER keep_of_run AFTER INSERT ON run_entries FOR EACH ROW WHEN (NEW.kind = 9) EXECUTE FUNCTION keep_of_run();`,
  // Who makes calls need not read what was only noted.
  `CREATE OR REPLACE FUNCTION tell_operation() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       PERFORM pg_notify('rouse_operations', NEW.id::text);
       IF NOT NEW.durable THEN PERFORM pg_notify('rouse_calls', NEW.id::text || ' ' || NEW.state); END IF;
       IF NEW.durable OR NEW.parent IS NOT NULL THEN
         PERFORM pg_notify('rouse_runs', NEW.id::text || ' ' || NEW.state);
       END IF;
       RETURN NULL;
     END $$;`,
];
