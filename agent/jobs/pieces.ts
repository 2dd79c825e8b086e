import { createHash } from "node:crypto";
import { RouseError } from "../../sdk/errors.ts";
import type { ArtifactClient, NewArtifact } from "./artifact-client.ts";
import { refused } from "./refusals.ts";

/** So many outputs may grow at one time. */
const MOST_GROWING = 64;

/** A piece of an output. */
export interface Piece {
  /** Chosen by the job for this content under this name. */
  readonly upload: string;
  /** Where it begins in the content. */
  readonly offset: number;
  readonly bytes: Buffer;
  /** Of all of the content: it is the last one. Empty: it is not. */
  readonly sha256: string;
}

/**
 * The outputs that one job puts out in pieces. A piece that has come before is known again, by the next agent as well: so a job outlives
 * the restart of its agent in the midst of a large output.
 */
export class Pieces {
  readonly #job: string;
  readonly #artifacts: ArtifactClient;
  /** Bytes that are stored of each upload. */
  readonly #stored = new Map<string, Promise<number>>();
  /** All that are not whole, oldest first, each with the name of its output. */
  readonly #growing = new Map<string, string>();

  /** @param job its id. */
  constructor(job: string, artifacts: ArtifactClient) {
    this.#job = job;
    this.#artifacts = artifacts;
  }

  /**
   * Adds a piece.
   *
   * @returns the artifact when it was the last one; else how many bytes are stored, and how many of them are new.
   * @throws RouseError INVALID_ARGUMENT JOB_REQUEST_INVALID when something before it is missing, and as {@link ArtifactClient}.
   */
  async add(
    { upload, offset, bytes, sha256 }: Piece,
    made: NewArtifact,
  ): Promise<{ readonly stored: number; readonly added: number; readonly uri: string }> {
    const id = uploadId(this.#job, made.name, upload);
    let added = 0;
    // One after the other: the job may have asked again while the first is still under way.
    const before = this.#stored.get(id) ?? this.#begin(id, made);
    const stored = before.then(async (at) => {
      try {
        if (offset > at)
          throw refused(
            `the upload ${upload} has ${at} bytes, and the piece begins at ${offset}. Send what comes between first`,
          );
        const rest = bytes.subarray(at - offset);
        if (rest.length > 0) await this.#artifacts.append(id, at, rest);
        added = rest.length;
        return at + added;
      } catch (thrown) {
        // There is nothing of it to go on from.
        if (at === 0) await this.#giveUp(id);
        throw thrown;
      }
    });
    this.#stored.set(id, stored);
    try {
      await stored;
    } catch (thrown) {
      // The next asks anew how much there is.
      if (this.#stored.get(id) === stored) this.#stored.delete(id);
      throw thrown;
    }
    if (sha256 === "") return { stored: await stored, added, uri: "" };
    try {
      const { uri } = await this.#artifacts.finish(id, made.owner, sha256);
      this.#growing.delete(id);
      return { stored: await stored, added, uri };
    } catch (thrown) {
      // Orders keep nothing of it then, and it may be sent again from its beginning.
      if (RouseError.from(thrown).reason === "ARTIFACT_DIGEST_WRONG") this.#growing.delete(id);
      throw thrown;
    } finally {
      if (this.#stored.get(id) === stored) this.#stored.delete(id);
    }
  }

  /** Gives up what is not whole: its job has ended. */
  async abandon(): Promise<void> {
    const ids = [...this.#growing.keys()];
    this.#growing.clear();
    await Promise.all(ids.map((id) => this.#artifacts.abandon(id)));
  }

  /** @returns bytes that are stored of it already. */
  async #begin(id: string, made: NewArtifact): Promise<number> {
    const known = this.#growing.has(id);
    const full = !known && this.#growing.size >= MOST_GROWING;
    // A job that could not make an output whole, and tries again, does so under another key.
    const [old] = (full && [...this.#growing].find(([, name]) => name === made.name)) || [];
    if (full && old === undefined)
      throw refused(`${MOST_GROWING} outputs at most may grow at one time. End one of them first`);
    if (old !== undefined) this.#growing.delete(old);
    this.#growing.set(id, made.name);
    try {
      if (old !== undefined) {
        // Else it might begin again behind our back.
        await this.#stored.get(old)?.catch(() => undefined);
        this.#stored.delete(old);
        await this.#artifacts.abandon(old);
      }
      return await this.#artifacts.begin(id, made);
    } catch (thrown) {
      if (!known) this.#growing.delete(id);
      throw thrown;
    }
  }

  async #giveUp(id: string): Promise<void> {
    this.#growing.delete(id);
    await this.#artifacts.abandon(id);
  }
}

/** The same for every agent. */
function uploadId(...parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
