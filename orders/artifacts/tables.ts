/** Tables of artifacts. What was said of them is only ever added to: the database itself refuses anything else. */
export const artifactsTables: readonly string[] = [
  `CREATE TABLE artifacts (
     digest text PRIMARY KEY,
     bytes bigint NOT NULL,
     place text,
     sums bytea,
     damaged boolean NOT NULL DEFAULT false,
     name text NOT NULL,
     media_type text NOT NULL,
     metadata jsonb NOT NULL,
     owner text NOT NULL,
     created_at timestamptz NOT NULL,
     keep_until timestamptz,
     words tsvector NOT NULL
   );
   ALTER TABLE artifacts ALTER COLUMN sums SET STORAGE EXTERNAL;
   CREATE INDEX artifacts_by_time ON artifacts (created_at DESC, digest DESC) WHERE place IS NOT NULL;
   CREATE INDEX artifacts_due ON artifacts (keep_until) WHERE place IS NOT NULL AND keep_until IS NOT NULL;
   CREATE INDEX artifacts_words ON artifacts USING gin (words);
   CREATE INDEX artifacts_metadata ON artifacts USING gin (metadata jsonb_path_ops);
   CREATE INDEX artifacts_places ON artifacts (place) WHERE place IS NOT NULL;
   CREATE TABLE artifact_holds (
     digest text NOT NULL REFERENCES artifacts,
     holder text NOT NULL,
     held_at timestamptz NOT NULL,
     PRIMARY KEY (digest, holder)
   );
   CREATE INDEX artifact_holds_by_holder ON artifact_holds (holder);
   CREATE TABLE artifact_uploads (
     id text PRIMARY KEY,
     name text NOT NULL,
     media_type text NOT NULL,
     metadata jsonb NOT NULL,
     owner text NOT NULL,
     holder text NOT NULL,
     keep_ms bigint,
     touched_at timestamptz NOT NULL,
     digest text
   );
   CREATE INDEX artifact_uploads_by_time ON artifact_uploads (touched_at);
   CREATE TABLE artifact_store (one boolean PRIMARY KEY DEFAULT true CHECK (one), id text NOT NULL);
   CREATE TABLE artifact_history (
     number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     digest text NOT NULL,
     at timestamptz NOT NULL,
     by_whom text NOT NULL,
     what text NOT NULL,
     facts jsonb NOT NULL
   );
   CREATE INDEX artifact_history_of ON artifact_history (digest, number);
   CREATE FUNCTION only_add() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN RAISE EXCEPTION 'the history of artifacts is only added to'; END $$;
   CREATE TRIGGER only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON artifact_history FOR EACH STATEMENT EXECUTE FUNCTION only_add();`,
  // Who names an artifact in what is kept of them, such as a task: see orders/references.
  `CREATE TABLE artifact_uses (
     owner uuid NOT NULL,
     digest text NOT NULL REFERENCES artifacts,
     PRIMARY KEY (owner, digest)
   );
   CREATE INDEX artifact_uses_of ON artifact_uses (digest);`,
];
