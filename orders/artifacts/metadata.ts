import { RouseError } from "../../sdk/errors.ts";
import { isArtifactName } from "./uri.ts";

/** What is said of an artifact when it is stored. */
export interface Said {
  readonly name: string;
  readonly mediaType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const MEDIA_TYPE =
  /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}(\s*;[\x20-\x7e]{0,200})?$/i;
const LONGEST_VALUE = 1_000;
const MOST_KEYS = 64;
const LONGEST_HOLDER = 200;

/** @throws RouseError INVALID_ARGUMENT ARTIFACT_METADATA_INVALID. */
export function checkSaid({ name, mediaType, metadata }: Said): void {
  if (!isArtifactName(name))
    throw invalid(`the name ${shown(name)} cannot be a file's: leave out "/", "\\" and control characters`);
  if (mediaType !== "" && !MEDIA_TYPE.test(mediaType))
    throw invalid(`${shown(mediaType)} is no media type; one is "text/plain"`);
  checkMetadata(metadata);
}

/** @throws RouseError INVALID_ARGUMENT ARTIFACT_METADATA_INVALID. */
export function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  const entries = Object.entries(metadata);
  if (entries.length > MOST_KEYS) throw invalid(`it has ${entries.length} keys; ${MOST_KEYS} are allowed`);
  for (const [key, value] of entries) {
    if (!KEY.test(key))
      throw invalid(
        `the key ${shown(key)} is none: use 1 to 64 letters, digits, ".", "_" and "-", a letter or digit first`,
      );
    if (value.length > LONGEST_VALUE)
      throw invalid(`the value of ${key} has ${value.length} characters; ${LONGEST_VALUE} are allowed`);
    // PostgreSQL keeps neither.
    if (!value.isWellFormed() || value.includes("\0"))
      throw invalid(`the value of ${key} is not text: it has a NUL or half a character`);
  }
}

/** @throws RouseError INVALID_ARGUMENT ARTIFACT_METADATA_INVALID. */
export function checkHolder(holder: string): void {
  if (holder.length === 0 || holder.length > LONGEST_HOLDER || !/^[\x21-\x7e]+$/.test(holder))
    throw invalid(
      `the holder ${shown(holder)} is none; one is "order:<id>", of ${LONGEST_HOLDER} characters at most`,
    );
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function invalid(why: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `What is said of the artifact cannot be kept: ${why}.`, {
    reason: "ARTIFACT_METADATA_INVALID",
  });
}
