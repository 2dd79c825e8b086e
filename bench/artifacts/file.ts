import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";

/** Writes a file of so many bytes (whole MiB) that no disk and no file system makes smaller, on disk and in the page cache. */
export async function fill(file: string, bytes: number): Promise<void> {
  const handle = await open(file, "w");
  try {
    const block = randomBytes(2 ** 20);
    for (let at = 0; at < bytes; at += block.length) {
      block.writeUInt32BE(at / block.length, 0);
      block.writeUInt32BE(Math.floor(Math.random() * 2 ** 32), 4);
      await handle.write(block);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}
