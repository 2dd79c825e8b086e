import type { Hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { RouseError } from "../../errors.ts";
import { type ContentHttp, unreachable } from "./http.ts";
import { persist } from "./persist.ts";
import { newHash } from "./source.ts";

export interface Download {
  readonly http: ContentHttp;
  readonly headers: Readonly<Record<string, string>>;
  readonly uri: string;
  readonly offset?: number;
  readonly length?: number;
  readonly signal?: AbortSignal;
  /** Has hashed what comes before the offset already; then all is compared with the digest. */
  readonly hash?: Hash;
}

/** A content as it comes; what breaks is begun again where it was. @throws RouseError as Artifacts.get. */
export async function* download(what: Download): AsyncGenerator<Buffer> {
  const { http, uri, length, signal } = what;
  const start = what.offset ?? 0;
  if (length === 0) return;
  const [id = "", digest] = /^artifact:(sha256-([0-9a-f]{64}))(?:\?.*)?$/s.exec(uri)?.slice(1) ?? [uri];
  const path = `/content/${encodeURIComponent(id)}`;
  const hash = what.hash ?? (start === 0 && length === undefined ? newHash() : undefined);
  let at = start;
  let end = length === undefined ? undefined : start + length;
  const open = async (): Promise<IncomingMessage | undefined> => {
    if (end !== undefined && at >= end) return undefined;
    const headers: Record<string, string> = { ...what.headers };
    if (at > 0 || length !== undefined)
      headers.range = `bytes=${at}-${length === undefined ? "" : start + length - 1}`;
    const answer = await http.get({ method: "GET", path, headers, signal }).catch((error: unknown) => {
      // There is nothing after its last byte, which is no mistake of whoever asks for the rest.
      if (
        error instanceof RouseError &&
        error.reason === "ARTIFACT_RANGE" &&
        error.metadata.bytes === String(at)
      )
        return undefined;
      throw error;
    });
    if (answer === undefined) {
      if (length !== undefined) throw short(uri, at - start, length);
      return undefined;
    }
    const coming = Number(answer.headers["content-length"]);
    if (length !== undefined && at + coming < start + length) throw short(uri, at + coming - start, length);
    end = at + coming;
    return answer;
  };
  let answer = await persist(open, () => at, signal);
  while (answer !== undefined) {
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        hash?.update(chunk);
        at += chunk.length;
        yield chunk;
      }
      if (end !== undefined && at >= end) break;
      throw unreachable("it ended too early");
    } catch (error) {
      if (signal?.aborted || at === end) throw error;
    } finally {
      answer.destroy();
    }
    // Where the store itself stopped, it says why when it is asked again.
    answer = await persist(open, () => at, signal);
  }
  if (hash !== undefined && digest !== undefined && hash.digest("hex") !== digest) {
    throw new RouseError(
      "DATA_LOSS",
      `What came for ${uri} has another digest: it was changed on its way. Get it again; "rouse artifacts verify" tells whether it is damaged in the store.`,
      { reason: "ARTIFACT_CORRUPT" },
    );
  }
}

function short(uri: string, got: number, wanted: number): RouseError {
  return new RouseError("OUT_OF_RANGE", `${uri} has ${got} of the ${wanted} bytes that were asked for.`, {
    reason: "ARTIFACT_RANGE",
  });
}
