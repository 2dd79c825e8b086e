import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Artifact, Artifacts, PutOptions } from "../../sdk/client/index.ts";
import { ProgressLine } from "./progress.ts";

/** What is said of the file, from flags. */
export interface PutFlags {
  name?: string;
  type?: string;
  meta: Record<string, string>;
  /** ms; 0: for ever. */
  keep?: number;
  hold?: string;
}

/** Stores a file, or what comes on stdin ("-"). The same command goes on where one before it ended. */
export async function putFile(artifacts: Artifacts, file: string, flags: PutFlags): Promise<Artifact> {
  const options: PutOptions = {
    ...(flags.type === undefined ? {} : { mediaType: flags.type }),
    metadata: flags.meta,
    ...(flags.keep === undefined ? {} : { keepMs: flags.keep === 0 ? "forever" : flags.keep }),
    ...(flags.hold === undefined ? {} : { holder: flags.hold }),
  };
  if (file === "-") return artifacts.put(process.stdin, { ...options, name: flags.name ?? "" });
  const name = flags.name ?? basename(file);
  const progress = new ProgressLine(name, "stored");
  try {
    const uploadId = await idOf(file, { name, ...options });
    return await artifacts.put(
      { file },
      {
        ...options,
        name,
        ...(uploadId && { uploadId }),
        onBegin: (offset) => progress.begin(offset),
        onProgress: (bytes) => progress.tell(bytes),
      },
    );
  } finally {
    progress.end();
  }
}

/** The same for the same file and the same flags, so that an upload is found again. */
async function idOf(file: string, said: object): Promise<string | undefined> {
  // What cannot be looked at is told by who reads it.
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  const what = [await realpath(file), found.ino, found.size, found.mtimeMs, said];
  return createHash("sha256").update(JSON.stringify(what)).digest("base64url");
}
