import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { z } from "zod";
import { RouseError } from "../../sdk/errors.ts";
import type { Contents } from "./content/content.ts";
import { folderContents } from "./content/folder.ts";
import { parseLocation } from "./content/location.ts";
import { checked } from "./transaction.ts";
import { Spool } from "./uploads/spool.ts";

/** Settings of artifacts. */
export interface ArtifactSettings {
  /** An absolute folder, or "s3://…"; default: a folder of orders. */
  readonly location?: string;
  /** How long an artifact is kept of which nobody says it, ms; undefined: for ever. */
  readonly keepMs?: number;
}

/** What artifacts are made of, once the database answers. */
export interface OpenArtifacts {
  readonly pool: Pool;
  readonly contents: Contents;
  readonly spool: Spool;
}

/**
 * Opens the store of artifacts.
 *
 * @param folder Of orders.
 * @throws RouseError INVALID_ARGUMENT ARTIFACT_LOCATION_INVALID; UNAVAILABLE ARTIFACT_STORE_UNREACHABLE; FAILED_PRECONDITION
 *   ARTIFACT_STORE_FOREIGN.
 */
export async function openArtifacts(
  pool: Pool,
  folder: string,
  { location }: ArtifactSettings,
  log: Logger,
): Promise<OpenArtifacts> {
  const own = join(folder, "artifacts");
  const at = parseLocation(location ?? own);
  const contents = at.kind === "folder" ? await folderContents(at.folder) : await openS3(at, own);
  try {
    await claim(pool, contents);
  } catch (error) {
    contents.close();
    throw error;
  }
  log.info({ at: contents.title }, "artifacts are kept");
  return { pool, contents, spool: new Spool(contents.uploads) };
}

async function openS3(at: Extract<ReturnType<typeof parseLocation>, { kind: "s3" }>, own: string) {
  const uploads = join(own, "uploads");
  await mkdir(uploads, { recursive: true, mode: 0o700 });
  // Amazon's client is large, and most meshes have no use for it.
  const { s3Contents } = await import("./content/s3.ts");
  return s3Contents(at, uploads);
}

/** What no row of a database names is removed from its store; so no store may be that of two. */
async function claim(pool: Pool, contents: Contents): Promise<void> {
  const db = checked(pool);
  await db.query("INSERT INTO artifact_store (id) VALUES ($1) ON CONFLICT DO NOTHING", [randomUUID()]);
  const { rows } = await db.query("SELECT id FROM artifact_store");
  const [{ id }] = z.tuple([z.object({ id: z.string() })]).parse(rows);
  if ((await contents.claim(id)) === id) return;
  throw new RouseError(
    "FAILED_PRECONDITION",
    `The artifacts in ${contents.title} belong to another database than the one of these orders. Choose another place by --artifacts, or the database by --database. If that database is lost for good, remove the file rouse-artifacts there: what it named is then removed too.`,
    { reason: "ARTIFACT_STORE_FOREIGN" },
  );
}
