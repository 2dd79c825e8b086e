import { z } from "zod";
import type { Artifact, ArtifactEvent } from "#proto/rouse/orders/v1/artifacts.ts";
import { artifactUri } from "./uri.ts";

const count = z.coerce.number();
const words = z.record(z.string(), z.string());

/** A row of the table artifacts. */
export const rowSchema = z.object({
  digest: z.string(),
  bytes: count,
  /** Null: the content is gone. */
  place: z.string().nullable(),
  damaged: z.boolean(),
  name: z.string(),
  media_type: z.string(),
  metadata: words,
  owner: z.string(),
  created_at: z.date(),
  /** Null: for ever. */
  keep_until: z.date().nullable(),
});
export type ArtifactRow = z.infer<typeof rowSchema>;

/** Columns of {@link rowSchema}, of a table that is called "a". */
export const COLUMNS = Object.keys(rowSchema.shape)
  .map((name) => `a.${name}`)
  .join(", ");

export const uploadSchema = z.object({
  id: z.string(),
  name: z.string(),
  media_type: z.string(),
  metadata: words,
  owner: z.string(),
  holder: z.string(),
  /** Null: for ever. */
  keep_ms: count.nullable(),
  /** Of what it became; null: it is under way. */
  digest: z.string().nullable(),
});
export type UploadRow = z.infer<typeof uploadSchema>;

export const eventSchema = z.object({ at: z.date(), by_whom: z.string(), what: z.string(), facts: words });

/** As the API has it. */
export function toApi(row: ArtifactRow, holders: readonly string[], name = row.name): Artifact {
  return {
    uri: artifactUri(row.digest, name),
    bytes: row.bytes,
    name,
    mediaType: row.media_type,
    metadata: row.metadata,
    owner: row.owner,
    createdAtMs: row.created_at.getTime(),
    keepUntilMs: row.keep_until?.getTime() ?? 0,
    holders: [...holders],
  };
}

export function eventToApi(row: unknown): ArtifactEvent {
  const { at, by_whom: by, what, facts } = eventSchema.parse(row);
  return { atMs: at.getTime(), by, what, facts };
}
