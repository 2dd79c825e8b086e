import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { z } from "zod";
import type { BeginUploadRequest, Upload } from "#proto/rouse/orders/v1/artifacts.ts";
import { sumBytesOf } from "../../../sdk/client/artifacts/block-sums.ts";
import { RouseError } from "../../../sdk/errors.ts";
import { placeOf } from "../content/content.ts";
import { doneUpload, invalidUpload, unknownUpload, wrongCopy, wrongDigest } from "../errors.ts";
import { mediaTypeOf } from "../media-type.ts";
import { checkHolder, checkSaid } from "../metadata.ts";
import type { OpenArtifacts } from "../open.ts";
import { publish } from "../publish.ts";
import type { UploadRow } from "../record.ts";
import { findUpload } from "../rows.ts";
import { checked, inTransaction } from "../transaction.ts";
import { artifactUri } from "../uri.ts";

const ID = /^[A-Za-z0-9_-]{8,64}$/;
const DIGEST = /^[0-9a-f]{64}$/;
const LONGEST_KEEP_MS = 100 * 365 * 86_400_000;
/** How often an upload that goes on is noted to be alive, ms. */
const TOUCH_MS = 60_000;

/** What the API asks for, and who. */
export type NewUpload = BeginUploadRequest & { readonly owner: string };

/** Uploads: begun, written to in any number of pieces, finished. */
export class Uploads {
  readonly #open: () => Promise<OpenArtifacts>;
  readonly #now: () => number;
  readonly #keepMs: number | undefined;
  readonly #recheck: (digest: string) => void;
  /** When an upload that is written to just now was last noted to be alive, ms since 1970. */
  readonly #touched = new Map<string, number>();

  /**
   * @param keepMs Of those who do not say; undefined: for ever.
   * @param recheck Told of a content of which not all blocks have been compared.
   */
  constructor(
    open: () => Promise<OpenArtifacts>,
    now: () => number,
    keepMs: number | undefined,
    recheck: (digest: string) => void,
  ) {
    this.#recheck = recheck;
    this.#open = open;
    this.#now = now;
    this.#keepMs = keepMs;
  }

  /** Begins an upload, or finds it again by its id. */
  async begin(request: NewUpload): Promise<Upload> {
    const { name, metadata, owner, holder, keepMs, keepForever, bytes } = request;
    const mediaType = request.mediaType || mediaTypeOf(name);
    const id = request.id === "" ? randomUUID() : request.id;
    if (!ID.test(id)) throw invalidUpload('its id is no 8 to 64 letters, digits, "-" and "_"');
    if (keepMs > LONGEST_KEEP_MS) throw invalidUpload(`keep_ms is ${keepMs}; say keep_forever`);
    checkSaid({ name, mediaType, metadata });
    if (holder !== "") checkHolder(holder);
    const { pool, spool, contents } = await this.#open();
    // One that became an artifact which is gone by now begins anew.
    await checked(pool).query(
      `DELETE FROM artifact_uploads u WHERE id = $1
         AND EXISTS (SELECT FROM artifacts a WHERE a.digest = u.digest AND a.place IS NULL)`,
      [id],
    );
    const keep = keepForever ? null : keepMs || (this.#keepMs ?? null);
    const { rowCount } = await checked(pool).query(
      `INSERT INTO artifact_uploads (id, name, media_type, metadata, owner, holder, keep_ms, touched_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`,
      [id, name, mediaType, JSON.stringify(metadata), owner, holder, keep, new Date(this.#now())],
    );
    if (rowCount !== 1) return this.get(id);
    this.#note(id);
    try {
      await contents.checkRoom(bytes);
    } catch (error) {
      await this.abandon(id);
      throw error;
    }
    return { id, offset: await spool.offset(id), uri: "" };
  }

  /** @throws RouseError NOT_FOUND UPLOAD_UNKNOWN. */
  async get(id: string): Promise<Upload> {
    const { pool, spool } = await this.#open();
    const row = await findUpload(checked(pool), id);
    if (row === undefined) throw unknownUpload(id);
    if (row.digest === null) return { id, offset: await spool.offset(id), uri: "" };
    const { rows } = await checked(pool).query("SELECT bytes FROM artifacts WHERE digest = $1", [row.digest]);
    const [found] = z.array(z.object({ bytes: z.coerce.number() })).parse(rows);
    return { id, offset: found?.bytes ?? 0, uri: artifactUri(row.digest, row.name) };
  }

  /** Writes at the end of an upload, as {@link Spool.write}. @param mostBytes Of all of the upload. */
  async write(id: string, offset: number, source: Readable, mostBytes?: number): Promise<Upload> {
    const { spool } = await this.#open();
    await this.#touch(id);
    const touch = setInterval(() => void this.#touch(id).catch(() => undefined), TOUCH_MS);
    try {
      const end = await spool.write(id, offset, source, mostBytes);
      return { id, offset: end, uri: "" };
    } catch (error) {
      // Nothing can go on from there, and nothing of it may stay.
      if (error instanceof RouseError && error.status === "RESOURCE_EXHAUSTED") await this.abandon(id);
      throw error;
    } finally {
      clearInterval(touch);
    }
  }

  /** The file in which an upload is gathered, for who shares its disk. */
  async fileOf(id: string): Promise<string> {
    const { spool } = await this.#open();
    await this.#touchNowAndThen(id);
    return spool.fileOf(id);
  }

  /** Takes what was written to an upload's file, as {@link Spool.take}. */
  async take(id: string, offset: number, to: number): Promise<Upload> {
    const { spool } = await this.#open();
    await this.#touchNowAndThen(id);
    return { id, offset: await spool.take(id, offset, to), uri: "" };
  }

  /**
   * Makes an artifact of an upload. Again, it answers the same.
   *
   * @param sha256 Of what was sent; empty: it is not compared.
   * @param blockSums Its blocks' checksums, made of the source, which reads compare from then on; empty: those of what has arrived.
   * @throws RouseError DATA_LOSS ARTIFACT_DIGEST_WRONG, after which the upload is gone; INVALID_ARGUMENT UPLOAD_INVALID.
   */
  async finish(
    id: string,
    sha256: string,
    blockSums: Uint8Array = new Uint8Array(),
  ): Promise<{ readonly digest: string; readonly upload: UploadRow }> {
    if (sha256 !== "" && !DIGEST.test(sha256)) throw invalidUpload("sha256 is no 64 lower-case hex digits");
    const { pool, spool, contents } = await this.#open();
    const known = await findUpload(checked(pool), id);
    if (known === undefined) throw unknownUpload(id);
    if (known.digest !== null) {
      if (sha256 !== "" && sha256 !== known.digest) throw doneUpload(id);
      return { digest: known.digest, upload: known };
    }
    await this.#touchNowAndThen(id);
    const own = blockSums.length === 0;
    // A store that is not on this disk takes longer than to make all of them, and its contents are not read once more for it.
    const all = own || contents.fileOf === undefined;
    const { file, digest, sums, bytes, resumed } = await spool.finish(id, all);
    if (resumed && sha256 === "" && own)
      throw invalidUpload("it went on after a pause, so its sha256 is needed to know that it is whole");
    if (sha256 !== "" && sha256 !== digest) {
      await this.abandon(id);
      throw wrongDigest(sha256, digest);
    }
    if (!own && blockSums.length !== sumBytesOf(bytes))
      throw invalidUpload(
        `block_sums has ${blockSums.length} bytes, where its ${bytes} bytes need ${sumBytesOf(bytes)}`,
      );
    if (!own && !sums.agree(blockSums)) {
      await this.abandon(id);
      throw wrongCopy(id);
    }
    const kept = own ? sums.bytes() : Buffer.from(blockSums);
    const place = placeOf(digest, id);
    await contents.keep(file, place, bytes);
    const isThere = async (other: string, size: number) => (await contents.size(other)) === size;
    const { upload, unused } = await inTransaction(pool, (db) =>
      publish(db, { upload: id, digest, bytes, sums: kept }, new Date(this.#now()), isThere),
    );
    this.#touched.delete(id);
    await spool.remove(id);
    // What this does not reach, the sweep does.
    for (const other of unused) await contents.remove(other).catch(() => undefined);
    if (!sums.complete && !unused.includes(place)) this.#recheck(digest);
    return { digest, upload };
  }

  /** Gives an upload up. Idempotent. */
  async abandon(id: string): Promise<void> {
    this.#touched.delete(id);
    const { pool, spool } = await this.#open();
    await checked(pool).query("DELETE FROM artifact_uploads WHERE id = $1 AND digest IS NULL", [id]);
    const finished = await findUpload(checked(pool), id);
    if (finished === undefined && ID.test(id)) await spool.remove(id);
  }

  /** Less often than it could: each commit waits for the disk, which is busy with the upload itself. */
  async #touchNowAndThen(id: string): Promise<void> {
    if (this.#now() - (this.#touched.get(id) ?? Number.NEGATIVE_INFINITY) >= TOUCH_MS) await this.#touch(id);
  }

  /** @throws RouseError NOT_FOUND UPLOAD_UNKNOWN; FAILED_PRECONDITION UPLOAD_FINISHED. */
  async #touch(id: string): Promise<void> {
    const { pool } = await this.#open();
    const { rowCount } = await checked(pool).query(
      "UPDATE artifact_uploads SET touched_at = $2 WHERE id = $1 AND digest IS NULL",
      [id, new Date(this.#now())],
    );
    if (rowCount === 1) {
      this.#note(id);
      return;
    }
    this.#touched.delete(id);
    throw (await findUpload(checked(pool), id)) === undefined ? unknownUpload(id) : doneUpload(id);
  }

  #note(id: string): void {
    const now = this.#now();
    for (const [other, atMs] of this.#touched) if (now - atMs >= TOUCH_MS) this.#touched.delete(other);
    this.#touched.set(id, now);
  }
}
