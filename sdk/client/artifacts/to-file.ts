import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { RouseError } from "../../errors.ts";
import { type Download, download } from "./download.ts";
import { getNear } from "./near.ts";
import { newHash } from "./source.ts";

/** The kernel has more work with larger pieces: it looks for as much memory in one piece for the file. */
const WRITE_BYTES = 2 ** 18;

async function writeAll(handle: FileHandle, chunks: readonly Buffer[], position: number): Promise<void> {
  const total = chunks.reduce((sum, { length }) => sum + length, 0);
  const { bytesWritten } = await handle.writev(chunks as Buffer[], position);
  if (bytesWritten === total) return;
  // The rest tells why it does not fit.
  const rest = Buffer.concat(chunks).subarray(bytesWritten);
  for (let done = 0; done < rest.length; ) {
    const { bytesWritten: more } = await handle.write(
      rest,
      done,
      rest.length - done,
      position + bytesWritten + done,
    );
    done += more;
  }
}

/**
 * Writes a content to a file. It is `<file>.part` until it is whole; one that was left is gone on with.
 *
 * @throws RouseError as Artifacts.get.
 */
export async function downloadTo(
  what: Omit<Download, "offset" | "length" | "hash"> & {
    readonly onBegin?: (offset: number) => void;
    readonly onProgress?: (bytes: number) => void;
    readonly sharesDisk: boolean;
  },
  file: string,
): Promise<void> {
  const part = `${file}.part`;
  const hash = newHash();
  const left = await stat(part).catch(() => undefined);
  const offset = left?.isFile() ? left.size : 0;
  if (offset > 0)
    for await (const chunk of createReadStream(part, { highWaterMark: WRITE_BYTES })) hash.update(chunk);
  what.onBegin?.(offset);
  const handle = await open(part, offset > 0 ? "r+" : "w");
  let at = offset;
  let written: Promise<void> = Promise.resolve();
  try {
    if (what.sharesDisk && offset === 0) {
      if (await getNear(what, what.uri, handle, newHash())) {
        await rename(part, file);
        return;
      }
      await handle.truncate(0);
    }
    let chunks: Buffer[] = [];
    let held = 0;
    // While one batch is written the next comes in.
    const flush = async () => {
      await written;
      written = writeAll(handle, chunks, at);
      written.catch(() => undefined);
      at += held;
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
    await written;
  } catch (error) {
    // A part that is wrong is not gone on with.
    if (error instanceof RouseError && error.status === "DATA_LOSS") await rm(part, { force: true });
    throw error;
  } finally {
    await written.catch(() => undefined);
    await handle.close();
  }
  await rename(part, file);
}
