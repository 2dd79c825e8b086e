import type { PoolClient } from "pg";
import { z } from "zod";
import { removedArtifact, unknownArtifact } from "./errors.ts";
import { type ArtifactRow, COLUMNS, eventSchema, rowSchema, type UploadRow, uploadSchema } from "./record.ts";
import { wordsOf } from "./search.ts";

/** What runs a query: the pool, or one connection within a transaction. */
export type Db = Pick<PoolClient, "query">;

/** An artifact whose content is there. */
export type LiveRow = ArtifactRow & { readonly place: string };

export interface Event {
  readonly digest: string;
  readonly at: Date;
  /** A service, a person, or "retention". */
  readonly by: string;
  readonly what: "stored" | "annotated" | "kept" | "held" | "released" | "removed" | "damaged" | "mended";
  readonly facts?: Readonly<Record<string, string>>;
}

export async function addEvent(db: Db, { digest, at, by, what, facts = {} }: Event): Promise<void> {
  await db.query(
    "INSERT INTO artifact_history (digest, at, by_whom, what, facts) VALUES ($1, $2, $3, $4, $5)",
    [digest, at, by, what, JSON.stringify(facts)],
  );
}

/** @param lock Keeps others from changing it until the transaction ends. */
export async function findRow(db: Db, digest: string, lock = false): Promise<ArtifactRow | undefined> {
  const { rows } = await db.query(
    `SELECT ${COLUMNS} FROM artifacts a WHERE a.digest = $1 ${lock ? "FOR UPDATE" : ""}`,
    [digest],
  );
  return rows[0] === undefined ? undefined : rowSchema.parse(rows[0]);
}

/** @throws RouseError NOT_FOUND ARTIFACT_UNKNOWN, ARTIFACT_REMOVED. */
export async function liveRow(db: Db, digest: string, lock = false): Promise<LiveRow> {
  const row = await findRow(db, digest, lock);
  if (row === undefined) throw unknownArtifact(digest);
  const { place } = row;
  if (place === null) throw removedArtifact(digest, await howRemoved(db, digest));
  return { ...row, place };
}

async function howRemoved(db: Db, digest: string): Promise<string> {
  const { rows } = await db.query(
    "SELECT at, by_whom, what, facts FROM artifact_history WHERE digest = $1 AND what = 'removed' ORDER BY number DESC LIMIT 1",
    [digest],
  );
  const { at, by_whom: by, facts } = eventSchema.parse(rows[0]);
  const why = facts.reason ? ` (${facts.reason})` : "";
  return `removed ${at.toISOString()} by ${by}${why}`;
}

/** Checksums of the blocks of what is at a place; undefined: something else is there by now. */
export async function readSums(db: Db, digest: string, place: string): Promise<Buffer | undefined> {
  const { rows } = await db.query("SELECT sums FROM artifacts WHERE digest = $1 AND place = $2", [
    digest,
    place,
  ]);
  return z.array(z.object({ sums: z.instanceof(Buffer) })).parse(rows)[0]?.sums;
}

export async function findUpload(db: Db, id: string, lock = false): Promise<UploadRow | undefined> {
  const columns = Object.keys(uploadSchema.shape).join(", ");
  const { rows } = await db.query(
    `SELECT ${columns} FROM artifact_uploads WHERE id = $1 ${lock ? "FOR UPDATE" : ""}`,
    [id],
  );
  return rows[0] === undefined ? undefined : uploadSchema.parse(rows[0]);
}

/** Holds an artifact whose row is locked. */
export async function addHold(db: Db, digest: string, holder: string, at: Date, by = holder): Promise<void> {
  const { rowCount } = await db.query(
    "INSERT INTO artifact_holds (digest, holder, held_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    [digest, holder, at],
  );
  if (rowCount === 1) await addEvent(db, { digest, at, by, what: "held", facts: { holder } });
}

export async function holdersOf(db: Db, digests: readonly string[]): Promise<Map<string, string[]>> {
  const { rows } = await db.query(
    "SELECT digest, (array_agg(holder ORDER BY held_at, holder))[1:100] AS holders FROM artifact_holds WHERE digest = ANY($1) GROUP BY digest",
    [digests],
  );
  const found = z.array(z.object({ digest: z.string(), holders: z.array(z.string()) })).parse(rows);
  return new Map(found.map(({ digest, holders }) => [digest, holders]));
}

/** Writes what is known of an artifact whose row is locked, or is new. */
export async function writeSaid(
  db: Db,
  row: Pick<ArtifactRow, "digest" | "name" | "media_type" | "metadata" | "owner">,
) {
  const { digest, name, media_type, metadata, owner } = row;
  const pairs = Object.entries(metadata).flat();
  const words = wordsOf([name, media_type, owner, ...pairs].join(" "));
  await db.query(
    "UPDATE artifacts SET name = $2, media_type = $3, metadata = $4, words = array_to_tsvector($5::text[]) WHERE digest = $1",
    [digest, name, media_type, JSON.stringify(metadata), words],
  );
}
