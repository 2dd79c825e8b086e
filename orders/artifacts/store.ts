import { createHash, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import type { Pool } from "pg";
import type { Logger } from "pino";
import type {
  Artifact,
  ArtifactEvent,
  SearchArtifactsRequest,
  SearchArtifactsResponse,
} from "#proto/rouse/orders/v1/artifacts.ts";
import type { ArtifactStore, StoredArtifact, WriteOptions } from "./artifact-store.ts";
import { corruptArtifact, heldArtifact, unknownArtifact } from "./errors.ts";
import { checkHolder, checkMetadata } from "./metadata.ts";
import { type ArtifactSettings, type OpenArtifacts, openArtifacts } from "./open.ts";
import { type Readout, type ReadRange, readChecked } from "./read.ts";
import { Recheck } from "./recheck.ts";
import { COLUMNS, eventToApi, rowSchema, toApi } from "./record.ts";
import { runRetention } from "./retention.ts";
import { addEvent, addHold, type Db, findRow, holdersOf, type LiveRow, liveRow, writeSaid } from "./rows.ts";
import { pageAfter, searchCondition } from "./search.ts";
import { checked, inTransaction } from "./transaction.ts";
import { Uploads } from "./uploads/uploads.ts";
import { artifactUri, parseArtifactUri } from "./uri.ts";

const LIMIT = { default: 50, most: 500 } as const;
const LONGEST_REASON = 500;

export interface ArtifactsOptions extends ArtifactSettings {
  /** Of orders. */
  readonly folder: string;
  /** Starts the database when it is first needed. */
  readonly pool: () => Promise<Pool>;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Artifacts: contents, and what was said of them. Everything throws UNAVAILABLE DATABASE_UNREACHABLE while the database is away. */
export class Artifacts implements ArtifactStore {
  readonly uploads: Uploads;
  readonly #options: ArtifactsOptions;
  readonly #now: () => number;
  readonly #recheck: Recheck;
  #opening: Promise<OpenArtifacts> | undefined;

  constructor(options: ArtifactsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#recheck = new Recheck((digest, signal) => this.#readAll(digest, signal), options.log);
    const soon = (digest: string) => this.#recheck.soon(digest);
    this.uploads = new Uploads(() => this.open(), this.#now, options.keepMs, soon);
  }

  /** Opens their store, when it is first needed; what fails is tried again by who needs it next. */
  async open(): Promise<OpenArtifacts> {
    const { pool, folder, log } = this.#options;
    const open = async () => openArtifacts(await pool(), folder, this.#options, log);
    this.#opening ??= open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async close(): Promise<void> {
    this.#recheck.close();
    const open = await this.#opening?.catch(() => undefined);
    await open?.spool.close();
    open?.contents.close();
  }

  /** Takes away what nobody needs, until the signal aborts; one process of all does so. */
  async retain(signal: AbortSignal): Promise<void> {
    await runRetention(await this.open(), this.#now, this.#options.log, signal);
  }

  async *read(uri: string, range: ReadRange = {}): AsyncGenerator<Buffer> {
    const { chunks } = await this.readout(uri, range);
    yield* chunks;
  }

  /** Begins to read; see {@link readChecked}. */
  async readout(uri: string, range: ReadRange = {}): Promise<Readout> {
    return readChecked(await this.open(), parseArtifactUri(uri).digest, range, this.#now);
  }

  async write(source: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<StoredArtifact> {
    const id = randomUUID();
    const { name = "", mediaType = "", metadata = {}, owner, holder = "" } = options;
    const said = { name, mediaType, metadata: { ...metadata }, owner, holder };
    await this.uploads.begin({ ...said, id, keepMs: 0, keepForever: false, bytes: 0 });
    try {
      const readable = Readable.from(source, { objectMode: false, highWaterMark: 2 ** 20 });
      const { offset: bytes } = await this.uploads.write(id, 0, readable, options.mostBytes);
      const { digest } = await this.uploads.finish(id, "");
      return { uri: artifactUri(digest, name), bytes };
    } catch (error) {
      await this.uploads.abandon(id).catch(() => undefined);
      throw error;
    }
  }

  async stat(uri: string): Promise<StoredArtifact> {
    const { digest, name } = parseArtifactUri(uri);
    const row = await liveRow(await this.#db(), digest);
    return { uri: artifactUri(digest, name || row.name), bytes: row.bytes };
  }

  async hold(uri: string, holder: string): Promise<void> {
    checkHolder(holder);
    await this.#change(uri, (db, { digest }) => addHold(db, digest, holder, this.#at()));
  }

  async release(holder: string, uri?: string): Promise<void> {
    checkHolder(holder);
    const { pool } = await this.open();
    const digest = uri === undefined ? null : parseArtifactUri(uri).digest;
    await inTransaction(pool, async (db) => {
      const { rows } = await db.query(
        "DELETE FROM artifact_holds WHERE holder = $1 AND ($2::text IS NULL OR digest = $2) RETURNING digest",
        [holder, digest],
      );
      const at = this.#at();
      for (const { digest } of rows as { digest: string }[])
        await addEvent(db, { digest, at, by: holder, what: "released", facts: { holder } });
    });
  }

  async annotate(uri: string, metadata: Readonly<Record<string, string>>, by: string): Promise<void> {
    checkMetadata(metadata);
    await this.#change(uri, async (db, row) => {
      const all = { ...row.metadata, ...metadata };
      checkMetadata(all);
      await writeSaid(db, { ...row, metadata: all });
      await addEvent(db, { digest: row.digest, at: this.#at(), by, what: "annotated", facts: metadata });
    });
  }

  /** @param keepMs From now, ms; 0: for ever. */
  async keep(uri: string, keepMs: number, by: string): Promise<void> {
    await this.#change(uri, async (db, { digest }) => {
      const at = this.#at();
      const until = keepMs === 0 ? null : new Date(at.getTime() + keepMs);
      await db.query("UPDATE artifacts SET keep_until = $2 WHERE digest = $1", [digest, until]);
      const facts = { until: until?.toISOString() ?? "for ever" };
      await addEvent(db, { digest, at, by, what: "kept", facts });
    });
  }

  /** @throws RouseError FAILED_PRECONDITION ARTIFACT_HELD; NOT_FOUND ARTIFACT_UNKNOWN, ARTIFACT_REMOVED. */
  async remove(uri: string, reason: string, by: string): Promise<void> {
    const { contents } = await this.open();
    const place = await this.#change(uri, async (db, { digest, place }) => {
      const holders = (await holdersOf(db, [digest])).get(digest);
      if (holders !== undefined) throw heldArtifact(digest, holders);
      await db.query("UPDATE artifacts SET place = NULL, sums = NULL, damaged = false WHERE digest = $1", [
        digest,
      ]);
      const why = reason.slice(0, LONGEST_REASON);
      const facts: Record<string, string> = why === "" ? {} : { reason: why };
      await addEvent(db, { digest, at: this.#at(), by, what: "removed", facts });
      return place;
    });
    // What this does not reach, the sweep does.
    await contents.remove(place).catch(() => undefined);
  }

  /** Reads all of what is stored. @throws RouseError DATA_LOSS ARTIFACT_CORRUPT. */
  async verify(uri: string, signal?: AbortSignal): Promise<number> {
    const { chunks, row } = await this.readout(uri, signal === undefined ? {} : { signal });
    const hash = createHash("sha256");
    for await (const chunk of chunks) hash.update(chunk);
    if (hash.digest("hex") === row.digest) return row.bytes;
    throw corruptArtifact(row.digest, "its digest is another", (await this.open()).contents.title);
  }

  async get(uri: string): Promise<Artifact> {
    const { digest, name } = parseArtifactUri(uri);
    const db = await this.#db();
    const row = await liveRow(db, digest);
    const holders = await holdersOf(db, [digest]);
    return toApi(row, holders.get(digest) ?? [], name || row.name);
  }

  /** The file in which a content is, for who shares the store's disk; undefined: there is none, or it is damaged. */
  async fileOf(uri: string): Promise<string | undefined> {
    const { contents, pool } = await this.open();
    const { place, damaged } = await liveRow(checked(pool), parseArtifactUri(uri).digest);
    return damaged ? undefined : contents.fileOf?.(place);
  }

  async search(request: SearchArtifactsRequest): Promise<SearchArtifactsResponse> {
    const { sql, values } = searchCondition(request);
    const limit = Math.min(request.limit || LIMIT.default, LIMIT.most);
    const db = await this.#db();
    const { rows: found } = await db.query(
      `SELECT ${COLUMNS} FROM artifacts a WHERE ${sql} ORDER BY a.created_at DESC, a.digest DESC LIMIT ${limit + 1}`,
      [...values],
    );
    const all = found.map((row) => rowSchema.parse(row));
    const rows = all.slice(0, limit);
    const holders = await holdersOf(
      db,
      rows.map(({ digest }) => digest),
    );
    const last = all.length > limit ? rows.at(-1) : undefined;
    return {
      artifacts: rows.map((row) => toApi(row, holders.get(row.digest) ?? [])),
      nextPage: last === undefined ? "" : pageAfter(last.created_at, last.digest),
    };
  }

  /** Of one that is gone as well. @throws RouseError NOT_FOUND ARTIFACT_UNKNOWN. */
  async history(uri: string): Promise<ArtifactEvent[]> {
    const { digest } = parseArtifactUri(uri);
    const db = await this.#db();
    if ((await findRow(db, digest)) === undefined) throw unknownArtifact(digest);
    const { rows } = await db.query(
      "SELECT at, by_whom, what, facts FROM artifact_history WHERE digest = $1 ORDER BY number LIMIT 10000",
      [digest],
    );
    return rows.map(eventToApi);
  }

  async #readAll(digest: string, signal: AbortSignal): Promise<void> {
    for await (const _ of this.read(artifactUri(digest), { signal }));
  }

  #at(): Date {
    return new Date(this.#now());
  }

  async #db(): Promise<Db> {
    return checked((await this.open()).pool);
  }

  /** Runs work on an artifact that nobody else changes meanwhile. */
  async #change<T>(uri: string, work: (db: Db, row: LiveRow) => Promise<T>): Promise<T> {
    const { digest } = parseArtifactUri(uri);
    const { pool } = await this.open();
    return inTransaction(pool, async (db) => work(db, await liveRow(db, digest, true)));
  }
}
