/** Facts of an artifact that is stored. */
export interface StoredArtifact {
  /** "artifact:sha256-…?name=…" */
  readonly uri: string;
  readonly bytes: number;
}

/** What is said of new content. */
export interface WriteOptions {
  /** A file name, such as "reads.fastq"; default: none. */
  readonly name?: string;
  /** Such as "text/plain"; default: none. */
  readonly mediaType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Who stores it: a service or a person. */
  readonly owner: string;
  /** Held from the beginning, such as "order:<id>": nobody can come between. */
  readonly holder?: string;
  /** Refuses more with RESOURCE_EXHAUSTED ARTIFACT_TOO_LARGE, bytes. */
  readonly mostBytes?: number;
}

/** Artifacts, for the other parts of orders. All throw UNAVAILABLE DATABASE_UNREACHABLE while the database is away. */
export interface ArtifactStore {
  /**
   * The content from `offset` on, for `length` bytes or to the end, in chunks of 1 MiB at most. A damaged block is not given:
   * what came before it was good.
   *
   * @throws RouseError INVALID_ARGUMENT ARTIFACT_URI_INVALID; NOT_FOUND ARTIFACT_UNKNOWN, ARTIFACT_REMOVED; OUT_OF_RANGE
   *   ARTIFACT_RANGE; DATA_LOSS ARTIFACT_CORRUPT.
   */
  read(
    uri: string,
    options?: { readonly offset?: number; readonly length?: number; readonly signal?: AbortSignal },
  ): AsyncIterable<Buffer>;

  /**
   * Stores content in bounded memory, and resolves when it is on disk. The same content is stored once.
   *
   * @throws RouseError RESOURCE_EXHAUSTED ARTIFACT_NO_ROOM, ARTIFACT_TOO_LARGE; INVALID_ARGUMENT ARTIFACT_METADATA_INVALID. Nothing
   *   is left then.
   */
  write(source: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<StoredArtifact>;

  /** @throws RouseError NOT_FOUND ARTIFACT_UNKNOWN, ARTIFACT_REMOVED. */
  stat(uri: string): Promise<StoredArtifact>;

  /**
   * Keeps an artifact until the holder lets go of it. Idempotent.
   *
   * @param holder Such as "order:<id>", "run:<id>", "task:<id>"; at most 200 characters.
   * @throws RouseError NOT_FOUND ARTIFACT_UNKNOWN, ARTIFACT_REMOVED.
   */
  hold(uri: string, holder: string): Promise<void>;

  /** Lets go of all that the holder holds. Idempotent. */
  release(holder: string): Promise<void>;

  /**
   * Adds to what is said of an artifact.
   *
   * @param by Who says so.
   * @throws RouseError NOT_FOUND as above; INVALID_ARGUMENT ARTIFACT_METADATA_INVALID.
   */
  annotate(uri: string, metadata: Readonly<Record<string, string>>, by: string): Promise<void>;
}
