/** What every artifact's URI begins with, in whatever bytes it stands. */
const URI = "'artifact:sha256-'::bytea";

/** A trigger that notes the artifacts which a column of a new or changed row names. @param owner column with the id of what needs them. */
function notes(event: "INSERT" | "UPDATE", table: string, column: string, owner = "id"): string {
  const on = event === "INSERT" ? "INSERT" : `UPDATE OF ${column}`;
  return `CREATE TRIGGER artifacts_of_${column}_${event.toLowerCase()} AFTER ${on} ON ${table} FOR EACH ROW
     WHEN (NEW.${column} IS NOT NULL AND position(${URI} IN NEW.${column}) > 0)
     EXECUTE FUNCTION note_artifacts('${owner}', '${column}');`;
}

/** The same for columns of text, of a table whose rows belong to an order. */
function notesInText(
  event: "INSERT" | "UPDATE",
  table: string,
  columns: readonly string[],
  owner: string,
): string {
  const on = event === "INSERT" ? "INSERT" : `UPDATE OF ${columns.join(", ")}`;
  const text = `concat_ws(' ', ${columns.map((column) => `NEW.${column}`).join(", ")})`;
  return `CREATE TRIGGER artifacts_of_text_${event.toLowerCase()} AFTER ${on} ON ${table} FOR EACH ROW
     WHEN (position('artifact:sha256-' IN ${text}) > 0)
     EXECUTE FUNCTION note_artifacts_in_text(${[owner, ...columns].map((column) => `'${column}'`).join(", ")});`;
}

/** Columns with bytes of callers, by table. */
const named = [
  notes("INSERT", "operations", "request"),
  notes("UPDATE", "operations", "response"),
  notes("INSERT", "run_entries", "value", "run"),
  notes("UPDATE", "run_entries", "value", "run"),
  notes("INSERT", "run_answers", "value", "run"),
  notes("INSERT", "tasks", "payload"),
  notes("UPDATE", "tasks", "kept"),
  notes("UPDATE", "tasks", "result"),
];

/**
 * Notes which artifacts are named by what is kept of async calls, durable runs, tasks and orders, in the transaction that writes the name.
 * The row in artifact_uses locks its artifact against those who collect (by its foreign key, FOR KEY SHARE), and they look once
 * more when they have locked it themselves. A row without such a name costs a look through its bytes.
 */
export const referencesTables: readonly string[] = [
  `CREATE FUNCTION note_artifacts() RETURNS trigger LANGUAGE plpgsql AS $$
     DECLARE
       who uuid;
       content bytea;
     BEGIN
       EXECUTE format('SELECT ($1).%I, ($1).%I', TG_ARGV[0], TG_ARGV[1]) INTO who, content USING NEW;
       INSERT INTO artifact_uses (owner, digest)
         SELECT DISTINCT who, a.digest
         FROM regexp_matches(encode(content, 'escape'), 'artifact:sha256-([0-9a-f]{64})', 'g') AS uris (parts)
         JOIN artifacts a ON a.digest = parts[1] ORDER BY a.digest
       ON CONFLICT DO NOTHING;
       RETURN NULL;
     END $$;
   CREATE FUNCTION forget_artifacts() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       DELETE FROM artifact_uses WHERE owner = OLD.id;
       RETURN NULL;
     END $$;
   ${named.join("\n   ")}
   CREATE TRIGGER artifacts_forgotten AFTER DELETE ON operations FOR EACH ROW EXECUTE FUNCTION forget_artifacts();
   CREATE TRIGGER artifacts_forgotten AFTER DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION forget_artifacts();`,
  [
    notes("INSERT", "run_kept", "value"),
    notes("UPDATE", "run_kept", "value"),
    "CREATE TRIGGER artifacts_forgotten AFTER DELETE ON run_kept FOR EACH ROW EXECUTE FUNCTION forget_artifacts();",
  ].join("\n   "),
  // What a task is to be called with, before that call has begun; and what it gave, when the call's own row has gone.
  `CREATE FUNCTION note_artifacts_in_text() RETURNS trigger LANGUAGE plpgsql AS $$
     DECLARE
       who uuid;
       part text;
       content text;
     BEGIN
       EXECUTE format('SELECT ($1).%I', TG_ARGV[0]) INTO who USING NEW;
       FOR at IN 1 .. TG_NARGS - 1 LOOP
         EXECUTE format('SELECT ($1).%I', TG_ARGV[at]) INTO part USING NEW;
         content := concat_ws(' ', content, part);
       END LOOP;
       INSERT INTO artifact_uses (owner, digest)
         SELECT DISTINCT who, a.digest
         FROM regexp_matches(content, 'artifact:sha256-([0-9a-f]{64})', 'g') AS uris (parts)
         JOIN artifacts a ON a.digest = parts[1] ORDER BY a.digest
       ON CONFLICT DO NOTHING;
       RETURN NULL;
     END $$;
   ${notesInText("INSERT", "orders", ["name", "metadata"], "id")}
   ${notesInText("INSERT", "order_tasks", ["parameters", "metadata"], "order_id")}
   ${notesInText("UPDATE", "order_tasks", ["result", "said", "outputs"], "order_id")}
   CREATE TRIGGER artifacts_forgotten AFTER DELETE ON orders FOR EACH ROW EXECUTE FUNCTION forget_artifacts();`,
];
