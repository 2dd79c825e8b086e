import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { RouseError } from "../../errors.ts";
import { type Download, download } from "./download.ts";
import { newHash } from "./source.ts";

const WRITE_BYTES = 2 ** 20;

/**
 * Writes a content to a file. It is `<file>.part` until it is whole; one that was left is gone on with.
 *
 * @throws RouseError as Artifacts.get.
 */
export async function downloadTo(
  what: Omit<Download, "offset" | "length" | "hash"> & { readonly onProgress?: (bytes: number) => void },
  file: string,
): Promise<void> {
  const part = `${file}.part`;
  const hash = newHash();
  const left = await stat(part).catch(() => undefined);
  const offset = left?.isFile() ? left.size : 0;
  if (offset > 0)
    for await (const chunk of createReadStream(part, { highWaterMark: WRITE_BYTES })) hash.update(chunk);
  const handle = await open(part, offset > 0 ? "r+" : "w");
  let at = offset;
  try {
    let chunks: Buffer[] = [];
    let held = 0;
    const flush = async () => {
      const batch = Buffer.concat(chunks);
      for (let done = 0; done < batch.length; )
        done += (await handle.write(batch, done, batch.length - done, at + done)).bytesWritten;
      at += batch.length;
      chunks = [];
      held = 0;
      what.onProgress?.(at);
    };
    for await (const chunk of download({ ...what, offset, hash })) {
      chunks.push(chunk);
      held += chunk.length;
      if (held >= WRITE_BYTES) await flush();
    }
    if (held > 0) await flush();
  } catch (error) {
    // A part that is wrong is not gone on with.
    if (error instanceof RouseError && error.status === "DATA_LOSS") await rm(part, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await rename(part, file);
}
