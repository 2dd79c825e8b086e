import { ReadArtifactRequest } from "../../gen/rouse/orders/v1/artifacts.ts";
import { artifacts } from "../clients/artifacts.ts";

/** The first bytes of an artifact, at most `most`. Throws as Artifacts.ReadArtifact. */
export async function readHead(
  uri: string,
  most: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const request = ReadArtifactRequest.create({ uri, length: BigInt(most) });
  for await (const { chunk } of artifacts.readArtifact(request, { signal, deadlineMs: 0 })) {
    parts.push(chunk);
    length += chunk.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Chunks are handed to the browser once they have so many bytes: it keeps blobs out of the page's memory. */
const BLOB_BYTES = 32 * 2 ** 20;

/**
 * A whole artifact as a blob, for a file.
 *
 * @param onRead told the bytes that have come.
 */
export async function readBlob(
  uri: string,
  type: string,
  signal: AbortSignal,
  onRead: (bytes: number) => void,
): Promise<Blob> {
  let blobs: Blob[] = [];
  let parts: Uint8Array<ArrayBuffer>[] = [];
  let held = 0;
  let read = 0;
  for await (const { chunk } of artifacts.readArtifact(ReadArtifactRequest.create({ uri }), {
    signal,
    deadlineMs: 0,
  })) {
    parts.push(chunk.slice());
    held += chunk.length;
    read += chunk.length;
    onRead(read);
    if (held < BLOB_BYTES) continue;
    blobs.push(new Blob(parts));
    parts = [];
    held = 0;
  }
  blobs = [...blobs, new Blob(parts)];
  return new Blob(blobs, { type });
}
