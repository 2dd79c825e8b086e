import { ReadArtifactRequest } from "../../gen/rouse/orders/v1/artifacts.ts";
import { artifacts } from "../clients/artifacts.ts";
import { digestOf } from "./uri.ts";

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

/** Where browsers get the content by HTTP, in pieces and without the page holding it. */
export function contentPath(uri: string, name: string): string {
  return `/content/${digestOf(uri)}${name === "" ? "" : `/${encodeURIComponent(name)}`}`;
}
