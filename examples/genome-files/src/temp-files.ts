import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A temporary folder for tests, removed when it is disposed. */
export async function tempFiles(): Promise<
  AsyncDisposable & {
    write(name: string, text: string | Uint8Array): Promise<string>;
    path(name: string): string;
  }
> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-genome-"));
  return {
    path: (name) => join(folder, name),
    async write(name, text) {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
