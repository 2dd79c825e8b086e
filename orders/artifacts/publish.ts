import { placeOf } from "./content/content.ts";
import { doneUpload, unknownUpload } from "./errors.ts";
import type { UploadRow } from "./record.ts";
import { addEvent, addHold, type Db, findRow, findUpload, writeSaid } from "./rows.ts";

/** A content that is kept already. */
export interface NewContent {
  readonly upload: string;
  readonly digest: string;
  readonly bytes: number;
  readonly sums: Buffer;
}

/** What became of it. */
export interface Published {
  readonly upload: UploadRow;
  /** Places that nothing names any more. */
  readonly unused: readonly string[];
}

/**
 * Makes an artifact of a content that is kept, within a transaction: from its end on it is there for all. The same content is there
 * once: where it is already, and good, the new copy is not used.
 *
 * @param isThere Whether what a place should have is there.
 * @throws RouseError NOT_FOUND UPLOAD_UNKNOWN; FAILED_PRECONDITION UPLOAD_FINISHED.
 */
export async function publish(
  db: Db,
  { upload: id, digest, bytes, sums }: NewContent,
  at: Date,
  isThere: (place: string, bytes: number) => Promise<boolean>,
): Promise<Published> {
  const upload = await findUpload(db, id, true);
  if (upload === undefined) throw unknownUpload(id);
  if (upload.digest !== null) throw doneUpload(id);
  const place = placeOf(digest, id);
  const until = upload.keep_ms === null ? null : new Date(at.getTime() + upload.keep_ms);
  const { rowCount: made } = await db.query(
    `INSERT INTO artifacts (digest, bytes, place, sums, name, media_type, metadata, owner, created_at, keep_until, words)
     VALUES ($1, $2, $3, $4, '', '', '{}', $5, $6, $7, '') ON CONFLICT (digest) DO NOTHING`,
    [digest, bytes, place, sums, upload.owner, at, until],
  );
  const row = await findRow(db, digest, true);
  if (row === undefined) throw new Error(`the artifact ${digest} vanished within a transaction`);
  const unused: string[] = [];
  const alive = row.place !== null;
  const good = row.place !== null && !row.damaged && (await isThere(row.place, row.bytes));
  if (made !== 1 && !good) {
    if (row.place !== null) unused.push(row.place);
    // What is gone begins anew; what was damaged stays who it was.
    await db.query(
      `UPDATE artifacts SET place = $2, sums = $3, damaged = false, bytes = $4
         ${alive ? "" : ", owner = $5, created_at = $6"} WHERE digest = $1`,
      [digest, place, sums, bytes, ...(alive ? [] : [upload.owner, at])],
    );
  }
  if (made !== 1 && good && row.place !== place) unused.push(place);
  // Who asks for longer gets it.
  if (made !== 1)
    await db.query(
      `UPDATE artifacts SET keep_until = CASE WHEN $2::timestamptz IS NULL ${alive ? "OR keep_until IS NULL THEN NULL ELSE greatest(keep_until, $2)" : "THEN NULL ELSE $2"} END WHERE digest = $1`,
      [digest, until],
    );
  const before = alive ? row.metadata : {};
  const said = {
    name: upload.name || (alive ? row.name : ""),
    media_type: upload.media_type || (alive ? row.media_type : ""),
    metadata: { ...before, ...upload.metadata },
  };
  await writeSaid(db, { digest, owner: alive ? row.owner : upload.owner, ...said });
  const mended = made !== 1 && alive && !good;
  const facts = {
    ...upload.metadata,
    ...(upload.name === "" ? {} : { name: upload.name }),
    ...(upload.media_type === "" ? {} : { "media-type": upload.media_type }),
  };
  await addEvent(db, { digest, at, by: upload.owner, what: mended ? "mended" : "stored", facts });
  if (upload.holder !== "") await addHold(db, digest, upload.holder, at, upload.owner);
  await db.query("UPDATE artifact_uploads SET digest = $2, touched_at = $3 WHERE id = $1", [id, digest, at]);
  return { upload, unused };
}
