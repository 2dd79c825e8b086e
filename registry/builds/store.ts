import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { type Build, Build_State } from "#proto/rouse/registry/v1/builds.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Caller } from "../access.ts";
import { openDatabase } from "../database.ts";
import { MOST_KEPT } from "./limits.ts";
import type { BuildOrder } from "./request.ts";

/** One line of a build's log. */
export interface LogLine {
  readonly atMs: number;
  readonly step: string;
  readonly line: string;
}

/** A build as it is kept. */
export interface BuildRecord extends Build {
  readonly seq: number;
  readonly tags: readonly string[];
  readonly caller: Caller;
}

/** What a build's run changes of it. */
export type BuildChange = Partial<
  Pick<Build, "state" | "step" | "commit" | "service" | "version" | "reason" | "endedAtMs">
>;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS builds (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
  provider TEXT NOT NULL, administrator INTEGER NOT NULL, key_id TEXT NOT NULL,
  repository TEXT NOT NULL, ref TEXT NOT NULL, folder TEXT NOT NULL, tags TEXT NOT NULL,
  state TEXT NOT NULL, step TEXT NOT NULL DEFAULT '', commit_id TEXT NOT NULL DEFAULT '',
  service TEXT NOT NULL DEFAULT '', version TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '',
  queued_at_ms INTEGER NOT NULL, ended_at_ms INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS lines (
  build INTEGER NOT NULL REFERENCES builds (seq) ON DELETE CASCADE, number INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, step TEXT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (build, number)) STRICT, WITHOUT ROWID;
`;

const ENDED = `('${[Build_State.SUCCEEDED, Build_State.FAILED, Build_State.CANCELLED].join("', '")}')`;
const COLUMNS: Record<keyof BuildChange, string> = {
  state: "state",
  step: "step",
  commit: "commit_id",
  service: "service",
  version: "version",
  reason: "reason",
  endedAtMs: "ended_at_ms",
};

/** Builds and their logs on disk; the last {@link MOST_KEPT} that have ended stay. */
export class BuildStore {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    this.#database = openDatabase(file, SCHEMA);
  }

  add(order: BuildOrder, caller: Caller, nowMs: number): BuildRecord {
    const id = randomBytes(6).toString("hex");
    this.#database
      .prepare(
        `INSERT INTO builds (id, provider, administrator, key_id, repository, ref, folder, tags, state, queued_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        id,
        caller.id,
        caller.administrator ? 1 : 0,
        caller.keyId,
        order.repository,
        order.ref,
        order.folder,
        JSON.stringify(order.tags),
        Build_State.QUEUED,
        nowMs,
      );
    return this.get(id);
  }

  /** @throws RouseError NOT_FOUND BUILD_UNKNOWN. */
  get(id: string): BuildRecord {
    const row = this.#database.prepare("SELECT * FROM builds WHERE id = ?").get(id);
    if (row !== undefined) return recordOf(row as unknown as Row);
    throw new RouseError(
      "NOT_FOUND",
      `There is no build ${JSON.stringify(id.slice(0, 40))}. "rouse builds" lists them; the last ${MOST_KEPT} are kept.`,
      { reason: "BUILD_UNKNOWN" },
    );
  }

  /** Newest first. @param service only those that registered it, when not empty. */
  list(service: string, limit: number): BuildRecord[] {
    const rows = this.#database
      .prepare("SELECT * FROM builds WHERE ?1 = '' OR service = ?1 ORDER BY seq DESC LIMIT ?2")
      .all(service, limit);
    return rows.map((row) => recordOf(row as unknown as Row));
  }

  /** Oldest first. */
  inState(state: Build["state"]): BuildRecord[] {
    const rows = this.#database.prepare("SELECT * FROM builds WHERE state = ? ORDER BY seq").all(state);
    return rows.map((row) => recordOf(row as unknown as Row));
  }

  change(seq: number, change: BuildChange): void {
    const names = Object.keys(change) as (keyof BuildChange)[];
    const sets = names.map((name) => `${COLUMNS[name]} = ?`).join(", ");
    const values = names.map((name) => change[name] ?? "");
    this.#database.prepare(`UPDATE builds SET ${sets} WHERE seq = ?`).run(...values, seq);
    if (change.endedAtMs !== undefined) this.#forgetOld();
  }

  append(seq: number, lines: readonly LogLine[]): void {
    const insert = this.#database.prepare(
      `INSERT INTO lines VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM lines WHERE build = ?1), ?2, ?3, ?4)`,
    );
    this.#database.exec("BEGIN");
    for (const { atMs, step, line } of lines) insert.run(seq, atMs, step, line);
    this.#database.exec("COMMIT");
  }

  /** The lines after a number, at most `limit`. */
  lines(seq: number, after: number, limit: number): readonly LogLine[] {
    const rows = this.#database
      .prepare("SELECT at_ms, step, line FROM lines WHERE build = ? AND number > ? ORDER BY number LIMIT ?")
      .all(seq, after, limit);
    return rows.map((row) => ({
      atMs: Number(row.at_ms),
      step: String(row.step),
      line: String(row.line),
    }));
  }

  close(): void {
    this.#database.close();
  }

  #forgetOld(): void {
    this.#database.exec(
      `DELETE FROM builds WHERE state IN ${ENDED} AND seq <= (SELECT max(seq) FROM builds) - ${MOST_KEPT}`,
    );
  }
}

interface Row {
  readonly seq: number;
  readonly id: string;
  readonly provider: string;
  readonly administrator: number;
  readonly key_id: string;
  readonly repository: string;
  readonly ref: string;
  readonly folder: string;
  readonly tags: string;
  readonly state: Build["state"];
  readonly step: string;
  readonly commit_id: string;
  readonly service: string;
  readonly version: string;
  readonly reason: string;
  readonly queued_at_ms: number;
  readonly ended_at_ms: number;
}

function recordOf(row: Row): BuildRecord {
  const { seq, id, provider, repository, ref, folder, state, step, service, version, reason } = row;
  return {
    seq,
    id,
    provider,
    repository,
    ref,
    folder,
    state,
    step,
    service,
    version,
    reason,
    commit: row.commit_id,
    queuedAtMs: row.queued_at_ms,
    endedAtMs: row.ended_at_ms,
    tags: JSON.parse(row.tags) as string[],
    caller: { id: provider, administrator: row.administrator === 1, keyId: row.key_id },
  };
}
