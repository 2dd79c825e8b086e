/**
 * Where finished contents are, by their place: a name that is used once and never again, "<digest>.<upload>". What is at a place is
 * never changed, so that whoever takes a place away cannot take what somebody else has just put there.
 */
export interface Contents {
  /** For people, such as a folder or "s3://bucket/prefix". */
  readonly title: string;
  /** Folder in which uploads are gathered before they are kept. */
  readonly uploads: string;

  /**
   * Keeps a file that is on disk already; it is there, durably, when this resolves. The file stays. Again for the same place does no harm.
   *
   * @throws RouseError RESOURCE_EXHAUSTED ARTIFACT_NO_ROOM; UNAVAILABLE ARTIFACT_STORE_UNREACHABLE.
   */
  keep(file: string, place: string, bytes: number): Promise<void>;

  /**
   * Reads bytes of a place.
   *
   * @throws RouseError UNAVAILABLE ARTIFACT_STORE_UNREACHABLE; {@link Missing} where it, or a part of it, is not there.
   */
  read(place: string, offset: number, length: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;

  /** The file of a place, where it is one. */
  fileOf?(place: string): string;

  /** Bytes at a place; undefined: nothing is there. */
  size(place: string): Promise<number | undefined>;

  /** Idempotent. */
  remove(place: string): Promise<void>;

  /** All places, in pages. */
  places(): AsyncIterable<readonly string[]>;

  /**
   * Marks all of it as that of one database, at first.
   *
   * @returns whose it is.
   */
  claim(id: string): Promise<string>;

  /** Gives up what processes left that ended in the middle. */
  tidy(now: number): Promise<void>;

  /**
   * @param bytes that are about to come.
   * @throws RouseError RESOURCE_EXHAUSTED ARTIFACT_NO_ROOM.
   */
  checkRoom(bytes: number): Promise<void>;

  close(): void;
}

/** A content, or a part of it, is not where it was put. */
export class Missing extends Error {
  override readonly name = "Missing";
}

const PLACE = /^([0-9a-f]{64})\.([A-Za-z0-9_-]{8,64})$/;

export function placeOf(digest: string, upload: string): string {
  return `${digest}.${upload}`;
}

/** The upload that made a place; undefined for a name that is none. */
export function uploadOf(place: string): string | undefined {
  return PLACE.exec(place)?.[2];
}
