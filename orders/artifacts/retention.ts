import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { z } from "zod";
import { uploadOf } from "./content/content.ts";
import type { OpenArtifacts } from "./open.ts";
import { addEvent } from "./rows.ts";
import { checked, inTransaction } from "./transaction.ts";

/** An upload to which nothing comes for so long is given up, ms. */
export const UPLOAD_MS = 86_400_000;
/** Artifacts that one transaction takes away. */
const BATCH = 100;
/** From one round to the next, ms. */
const ROUND_MS = 60_000;
/** What nothing names is looked for once in so many rounds. */
const SWEEP_ROUNDS = 60;

/** Who has done it, in an artifact's history. */
const RETENTION = "retention";

/** Neither held nor named by anything that is kept. */
const UNNEEDED = `NOT EXISTS (SELECT FROM artifact_holds h WHERE h.digest = a.digest)
  AND NOT EXISTS (SELECT FROM artifact_uses u WHERE u.digest = a.digest)`;

const dueSchema = z.array(z.object({ digest: z.string(), place: z.string() }));

/** Takes away what nobody needs, until the signal aborts. */
export async function runRetention(
  open: OpenArtifacts,
  now: () => number,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    await expireUploads(open, new Date(now()));
    const collected = await collectDue(open, new Date(now()), signal);
    if (round % SWEEP_ROUNDS === 0) {
      const swept = await sweep(open, signal);
      if (swept > 0) log.info({ swept }, "contents without a name were removed");
      await open.contents.tidy(now()).catch((err) => log.warn({ err }, "the store cannot be tidied"));
    }
    if (collected > 0) log.info({ collected }, "artifacts were collected");
    await sleep(ROUND_MS, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * Takes away what is past its time, and neither held nor named by anything that is kept.
 *
 * @returns how many.
 */
export async function collectDue(open: OpenArtifacts, now: Date, signal?: AbortSignal): Promise<number> {
  let collected = 0;
  while (!signal?.aborted) {
    const gone = await inTransaction(open.pool, async (db) => {
      const { rows } = await db.query(
        `SELECT digest, place FROM artifacts a WHERE place IS NOT NULL AND keep_until < $1
           AND ${UNNEEDED}
         ORDER BY keep_until LIMIT $2 FOR UPDATE SKIP LOCKED`,
        [now, BATCH],
      );
      const due = dueSchema.parse(rows);
      // Looked at again now that they are locked: somebody may have held one, or put it again, since the first look.
      const { rows: taken } = await db.query(
        `UPDATE artifacts a SET place = NULL, sums = NULL, damaged = false WHERE digest = ANY($1) AND place IS NOT NULL
           AND keep_until < $2 AND ${UNNEEDED} RETURNING digest`,
        [due.map(({ digest }) => digest), now],
      );
      const digests = new Set(
        z
          .array(z.object({ digest: z.string() }))
          .parse(taken)
          .map(({ digest }) => digest),
      );
      const found = due.filter(({ digest }) => digests.has(digest));
      const facts = { reason: "its time was over" };
      for (const { digest } of found)
        await addEvent(db, { digest, at: now, by: RETENTION, what: "removed", facts });
      return { found, more: due.length === BATCH };
    });
    // What this does not reach, the sweep does.
    for (const { place } of gone.found) await open.contents.remove(place).catch(() => undefined);
    collected += gone.found.length;
    if (!gone.more) break;
  }
  return collected;
}

/** Gives up uploads to which nothing has come for a day, and forgets those that are done. */
export async function expireUploads(open: OpenArtifacts, now: Date): Promise<void> {
  await checked(open.pool).query("DELETE FROM artifact_uploads WHERE touched_at < $1", [
    new Date(now.getTime() - UPLOAD_MS),
  ]);
}

/**
 * Removes files and contents that nothing names: leftovers of processes that ended in the middle. A place is listed first and
 * looked up then; what is being uploaded has its row before its file, and what is finished passes from the one table to the other
 * within one transaction, so that a single look at both never misses it.
 *
 * @returns how many.
 */
export async function sweep(open: OpenArtifacts, signal?: AbortSignal): Promise<number> {
  const { contents, spool } = open;
  let swept = 0;
  const files = await spool.ids();
  const uploads = await namedOf(open, [], files);
  for (const id of files) {
    if (uploads.has(id)) continue;
    await spool.remove(id);
    swept += 1;
  }
  for await (const places of contents.places()) {
    if (signal?.aborted) break;
    const ids = places.map((place) => uploadOf(place) ?? "");
    const named = await namedOf(open, places, ids);
    for (const place of places) {
      if (named.has(place) || named.has(uploadOf(place) ?? "")) continue;
      await contents.remove(place);
      swept += 1;
    }
  }
  return swept;
}

/** Those of the places that an artifact has, and those of the uploads that are under way. */
async function namedOf(open: OpenArtifacts, places: readonly string[], ids: readonly string[]) {
  const { rows } = await checked(open.pool).query(
    `SELECT place AS name FROM artifacts WHERE place = ANY($1)
     UNION ALL SELECT id FROM artifact_uploads WHERE id = ANY($2) AND digest IS NULL`,
    [places, ids],
  );
  return new Set(
    z
      .array(z.object({ name: z.string() }))
      .parse(rows)
      .map(({ name }) => name),
  );
}
