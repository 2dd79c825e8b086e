import { type FileHandle, open } from "node:fs/promises";
import { RouseError } from "rouse/errors";

/**
 * Opens a text file for reading.
 *
 * @param what the kind of file, such as "FASTA".
 * @param option what names the file, for the message.
 * @throws RouseError NOT_FOUND FILE_UNREADABLE; INVALID_ARGUMENT FILE_COMPRESSED.
 */
export async function openText(path: string, what: string, option: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : String(cause);
    throw unreadable(path, what, option, why, cause);
  }
  try {
    if (!(await file.stat()).isFile()) throw unreadable(path, what, option, "it is not a file");
    const { bytesRead, buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
    if (bytesRead === 2 && buffer.readUInt16BE() === 0x1f8b)
      throw new RouseError(
        "INVALID_ARGUMENT",
        `The ${what} file ${path} is compressed; unpack it ("gunzip -k ${path}") and name the result in ${option}.`,
        { reason: "FILE_COMPRESSED" },
      );
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

function unreadable(path: string, what: string, option: string, why: string, cause?: unknown): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `Cannot read the ${what} file ${path}: ${why}. Name it in ${option}; in a container, mount it as well ` +
      `("rouse register --mount /your/folder --env ${option}=${path}").`,
    { reason: "FILE_UNREADABLE", cause },
  );
}
